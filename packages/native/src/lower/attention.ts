/** Attention. */
import { type Aval, concreteShape, type Dim } from "nagare/backend";
import type { FusedLowering, Lowering } from "./lowering.ts";

/** Operands after the sequences and the mask: attentionGrad's y, logSums and dy. */
const others: { readonly [name: string]: number } = { attention: 0, attentionGrad: 3 };

interface Operands<T extends Aval> {
  readonly packed: boolean;
  readonly q: T;
  readonly k: T;
  readonly v: T;
  readonly mask: T | undefined;
}

/** The operands by name; a packed tensor is all three sequences. */
function operandsOf<T extends Aval>(inputs: readonly T[], after: number): Operands<T> {
  const [q] = inputs;
  if (!q) throw new TypeError("attention: an operand is missing.");
  const packed = q.shape.length === 5;
  const [k = q, v = q] = packed ? [] : inputs.slice(1, 3);
  const count = packed ? 1 : 3;
  return { packed, q, k, v, mask: inputs.length - after > count ? inputs[count] : undefined };
}

/** batch, heads, queries, keys, depth, depth of values. */
function sizesOf({ packed, q, k, v }: Operands<Aval>): readonly Dim[] {
  const [batch = 0, queries = 0, heads = 0, depth = 0] = packed ? q.shape.toSpliced(2, 1) : q.shape;
  if (packed) return [batch, heads, queries, queries, depth, depth];
  return [batch, heads, queries, k.shape[1] ?? 0, depth, v.shape[3] ?? 0];
}

/** For each axis of the scores, [batch, heads, queries, keys], whether a mask has it or is the same along it. */
function axesOf({ shape }: Aval): readonly boolean[] {
  return [4, 3, 2, 1].map((fromEnd) => (shape.at(-fromEnd) ?? 1) !== 1);
}

/** The sequences and the mask, then the operands of the derivative, then the results. */
const lowerAttention: Lowering = ({ op, params, inputs, outputs }, { writer, place }) => {
  const operands = operandsOf(inputs, others[op.name] ?? 0);
  const { packed, mask } = operands;
  writer.instruction(op.name, () => {
    writer.wides(concreteShape(sizesOf(operands)));
    writer.flag(packed);
    writer.scalar("float64", Number(params.scale));
    writer.flag(params.causal === true);
    writer.int(mask ? (mask.dtype === "bool" ? 1 : 2) : 0);
    for (const has of mask ? axesOf(mask) : []) writer.flag(has);
    for (const value of [...inputs, ...outputs]) writer.place(place(value));
  });
};

/** Vectors without elements are left to the decomposition. */
function attends(name: string): FusedLowering {
  const takes: FusedLowering["takes"] = (inputs) => {
    const operands = operandsOf(inputs, others[name] ?? 0);
    const { q, mask } = operands;
    const [, , , , depth, valueDepth] = sizesOf(operands);
    if (depth === 0 || valueDepth === 0 || q.dtype === "float64") return false;
    // Halves are widened, a mask of the same dtype with them.
    return !mask || mask.dtype === "bool" || mask.dtype === "float32" || mask.dtype === q.dtype;
  };
  return { takes, lower: lowerAttention };
}

export const attentions: { readonly [name: string]: FusedLowering } = {
  attention: attends("attention"),
  attentionGrad: attends("attentionGrad"),
};
