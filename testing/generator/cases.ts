/** The cases that the generated tests run: every record × dtype × sample. */
import {
  type ConcreteTensor,
  type DType,
  formatAval,
  isDifferentiable,
  type Params,
  type Primitive,
  primitives,
  type Tensor,
} from "nagare/backend";
import { bind } from "../../packages/nagare/src/trace/index.ts";
import { drawOperands, seededRandom } from "./draw.ts";

/** One operation on drawn operands. */
export interface Case {
  readonly op: Primitive;
  readonly inputs: readonly ConcreteTensor[];
  readonly params: Params;
  /** Which sample, which operands and which parameters: what a failing check says. */
  readonly label: string;
  /** Other operands of the same sample. */
  redraw(seed: string): readonly ConcreteTensor[];
}

/** The records, in the order of their definition. */
export const testedPrimitives: readonly Primitive[] = primitives();

/** Every sample of an operation in one dtype. A source has no operand: its dtype is a parameter. */
export function casesOf(op: Primitive, dtype: DType): Case[] {
  return op.samples().map((sample, index) => {
    const params =
      sample.inputs.length === 0 && "dtype" in sample.params ? { ...sample.params, dtype } : sample.params;
    const redraw = (seed: string) =>
      drawOperands(sample.inputs, dtype, seededRandom(`${op.name} ${dtype} ${index} ${seed}`));
    const inputs = redraw("");
    const shown = JSON.stringify(params, (_, value: unknown) =>
      typeof value === "bigint" ? `${value}n` : value,
    );
    const label = `${op.name}(${inputs.map(formatAval).join(", ")}) ${shown} (sample ${index})`;
    return { op, inputs, params, label, redraw };
  });
}

/** Applies the operation, whatever traces its operands belong to. */
export function apply({ op, params }: Pick<Case, "op" | "params">, inputs: readonly Tensor[]): Tensor[] {
  return bind(op, inputs, params);
}

/** The positions of the operands that have a derivative. */
export function differentiableOperands({ inputs }: Case): number[] {
  return inputs.flatMap((input, i) => (isDifferentiable(input) ? [i] : []));
}

/** The first result of an operation that may have several. */
export function firstResult(test: Pick<Case, "op" | "params">, inputs: readonly Tensor[]): Tensor {
  const [result] = apply(test, inputs);
  if (!result) throw new TypeError(`${test.op.name} has no result.`);
  return result;
}

/** The operation as a function of some of its operands; the others keep their values. */
export function asFunctionOf(test: Case, positions: readonly number[]): (...xs: Tensor[]) => Tensor[] {
  return (...xs) => {
    const inputs: Tensor[] = [...test.inputs];
    positions.forEach((position, k) => {
      inputs[position] = xs[k] ?? test.inputs[position] ?? (xs[0] as Tensor);
    });
    return apply(test, inputs);
  };
}

/** All non-empty subsets of a list, smallest numbers first. */
export function nonEmptySubsets<T>(list: readonly T[]): T[][] {
  return Array.from({ length: 2 ** list.length - 1 }, (_, bits) =>
    list.filter((_item, i) => ((bits + 1) >> i) & 1),
  );
}
