/** Folding: what is known before the graph runs is computed or removed. */
import {
  broadcastShapes,
  type ConcreteTensor,
  concreteSize,
  isConcrete,
  type Shape,
  sameShape,
} from "../../core/index.ts";
import { builder as ops, type Primitive } from "../../ops/index.ts";
import type { Graph, Node, Value } from "../graph.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

/** Evaluates one operation on concrete operands, when a pass may: given by the caller, who knows the backends. */
export type Evaluate = (
  op: Primitive,
  inputs: readonly ConcreteTensor[],
  params: Node["params"],
) => ConcreteTensor[];

/** Constants larger than this are left to run time: folding must not make a program bigger than its source. */
const maximalFoldedElements = 4096;

type Rule = (
  node: Node,
  rewriter: Rewriter,
  constant: (value: Value) => number | undefined,
) => Value | undefined;

function sameAval(a: Value, b: Value | undefined): boolean {
  return b !== undefined && a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

/** x op identity → x, when x already has the result's shape and dtype. */
function identityRule(identity: number, sides: "both" | "right"): Rule {
  return (node, _, constant) => {
    const [a, b] = node.inputs;
    const [output] = node.outputs;
    if (!a || !b || !output) return undefined;
    if (constant(b) === identity && sameAval(output, a)) return a;
    return sides === "both" && constant(a) === identity && sameAval(output, b) ? b : undefined;
  };
}

/** Drops an operation whose result equals its operand. */
const unchanged =
  (same: (node: Node) => boolean): Rule =>
  (node) =>
    same(node) && sameAval(node.inputs[0] as Value, node.outputs[0]) ? node.inputs[0] : undefined;

const rules: { readonly [name: string]: Rule } = {
  // x + 0 would lose only the sign of a negative zero, which no rule of the library depends on.
  add: identityRule(0, "both"),
  sub: (node, rewriter, constant) => {
    const [a, b] = node.inputs;
    const [output] = node.outputs;
    if (!a || !b || !output) return undefined;
    if (constant(b) === 0 && sameAval(output, a)) return a;
    return constant(a) === 0 && sameAval(output, b) ? rewriter.emit(ops.neg, [b], {}) : undefined;
  },
  mul: identityRule(1, "both"),
  div: identityRule(1, "right"),
  iota: (node, rewriter) => countOnce(node, rewriter),
  stopGradient: unchanged(() => true),
  convert: unchanged(() => true),
  broadcastTo: unchanged(() => true),
  // A part as large as the whole is the whole.
  slice: unchanged(() => true),
  neg: (node, { producer }) => {
    const made = node.inputs[0] && producer(node.inputs[0]);
    return made?.op.name === "neg" ? made.inputs[0] : undefined;
  },
  reshape: (node, rewriter) => {
    const [x] = node.inputs;
    const [output] = node.outputs;
    if (!x || !output) return undefined;
    if (sameAval(output, x)) return x;
    const made = rewriter.producer(x);
    const [source] = made?.op.name === "reshape" ? made.inputs : [];
    if (!source) return undefined;
    return sameAval(output, source) ? source : rewriter.emit(node.op, [source], node.params);
  },
  transpose: (node, rewriter) => {
    const [x] = node.inputs;
    const permutation = node.params.permutation as readonly number[];
    if (!x) return undefined;
    if (permutation.every((axis, i) => axis === i)) return x;
    const made = rewriter.producer(x);
    const [source] = made?.op.name === "transpose" ? made.inputs : [];
    if (!made || !source) return undefined;
    const inner = made.params.permutation as readonly number[];
    const both = permutation.map((axis) => inner[axis] ?? 0);
    if (both.every((axis, i) => axis === i)) return source;
    return rewriter.emit(node.op, [source], { permutation: both });
  },
  matmul: (node, rewriter) => foldTransposes(node, rewriter),
};

/** What is the same along all axes but one is counted along that one, and repeated: elementwise readers then read a line. */
function countOnce(node: Node, rewriter: Rewriter): Value | undefined {
  const { shape, axis } = node.params as { readonly shape: Shape; readonly axis: number };
  const line = shape.map((size, i) => (i === axis ? size : 1));
  if (sameShape(line, shape)) return undefined;
  return rewriter.emit(ops.broadcastTo, [rewriter.emit(ops.iota, [], { ...node.params, shape: line })], {
    shape,
  });
}

/** A transposition of the last two axes costs nothing inside matmul, which reads either order. */
function foldTransposes(node: Node, rewriter: Rewriter): Value | undefined {
  let changed = false;
  const inputs = node.inputs.map((input) => {
    const made = rewriter.producer(input);
    const [source] = made?.op.name === "transpose" ? made.inputs : [];
    const permutation = made?.params.permutation as readonly number[] | undefined;
    const rank = input.shape.length;
    const swapsLast = permutation?.every(
      (axis, i) => axis === (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i),
    );
    if (!source || !swapsLast) return { input, swapped: false };
    changed = true;
    return { input: source, swapped: true };
  });
  if (!changed) return undefined;
  const flags = ["transposeA", "transposeB"] as const;
  const swapped = Object.fromEntries(
    flags.map((flag, i) => [flag, Boolean(node.params[flag]) !== (inputs[i]?.swapped ?? false)]),
  );
  return rewriter.emit(
    node.op,
    inputs.map(({ input }) => input),
    { ...node.params, ...swapped },
  );
}

/**
 * An elementwise operation broadcasts by itself: a repeated operand, or one with axes of one element in front, is read from its
 * source, and a tensor of one repeated number becomes that number.
 */
function readBroadcastSources(node: Node, rewriter: Rewriter): Value | undefined {
  const [output] = node.outputs;
  if (!output) return undefined;
  const inputs = [...node.inputs];
  let changed = false;
  node.inputs.forEach((input, i) => {
    const made = rewriter.producer(input);
    const source = made && broadcastSource(made, rewriter);
    if (!source) return;
    const shapes = inputs.map((other, k) => (k === i ? source.shape : other.shape));
    if (!sameShape(broadcastShapes(shapes, node.op.name), output.shape)) return;
    inputs[i] = source;
    changed = true;
  });
  return changed ? rewriter.emit(node.op, inputs, node.params) : undefined;
}

function broadcastSource(made: Node, rewriter: Rewriter): Value | undefined {
  const [source] = made.inputs;
  if (made.op.name === "broadcastTo") return source;
  if (made.op.name === "reshape")
    return source && repeatsAlike(source.shape, made.outputs) ? source : undefined;
  if (made.op.name !== "full" || made.outputs[0]?.shape.length === 0) return undefined;
  return rewriter.emit(made.op, [], { ...made.params, shape: [] });
}

/** Whether a reshape only puts axes of one element in front: operands are repeated along axes they do not have. */
function repeatsAlike(shape: Shape, [output]: readonly Value[]): boolean {
  const added = (output?.shape.length ?? 0) - shape.length;
  return added > 0 && sameShape(output?.shape ?? [], [...new Array<number>(added).fill(1), ...shape]);
}

function isSmall(shape: Shape): boolean {
  return isConcrete(shape) && concreteSize(shape) <= maximalFoldedElements;
}

/**
 * Evaluates operations whose operands are all constants, and removes those that change nothing: x·1, x+0, reshapes of
 * reshapes, a transposition before a matrix product, conversions to the dtype at hand …
 */
export function foldConstants(graph: Graph, evaluate: Evaluate): Graph {
  return rewriteGraph(graph, (node, rewriter) => {
    const constants = rewriter.builder.constants;
    const constant = (value: Value): number | undefined => {
      const tensor = constants.get(value);
      if (tensor && isSmall(tensor.shape) && tensor.size === 1 && tensor.dtype !== "int64") {
        return Number(tensor.dataSync()[0]);
      }
      const made = rewriter.producer(value);
      return made?.op.name === "full" && typeof made.params.value === "number"
        ? made.params.value
        : undefined;
    };
    const simpler = node.body ? undefined : rules[node.op.name]?.(node, rewriter, constant);
    if (simpler) return [simpler];
    const narrower = node.op.scalar && readBroadcastSources(node, rewriter);
    if (narrower) {
      // A repeated number has become that number, which may be the identity of the operation.
      const made = rewriter.producer(narrower);
      return [(made && rules[made.op.name]?.(made, rewriter, constant)) ?? narrower];
    }
    const operands = node.inputs.map((input) => constants.get(input));
    const known = operands.filter((operand) => operand !== undefined);
    // What makes elements out of nothing, or repeats them, costs less to run than to store.
    const scalar = node.outputs[0]?.shape.length === 0;
    const repeats = operands.length === 0 || node.op.name === "broadcastTo";
    if (known.length !== operands.length || (repeats && !scalar)) return undefined;
    if (node.body || !node.outputs.every((output) => isSmall(output.shape))) return undefined;
    return evaluate(node.op, known, node.params).map((tensor) => rewriter.builder.constant(tensor));
  });
}
