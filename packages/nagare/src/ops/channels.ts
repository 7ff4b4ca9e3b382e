/** What operations on channels, the last axis, share: statistics are over the axes between those of the examples and the last. */
import { type Aval, formatAval, ShapeError, sizeOf, type Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";
import { checkBeside, checkLastAxis } from "./lastAxis.ts";

/** What there is one of for each channel of each example. Throws where an operand does not go with x. */
export function checkChannels(
  name: string,
  x: Aval,
  perChannel: readonly Aval[],
  alike: readonly Aval[] = [],
  batchAxes = 0,
): Aval {
  checkLastAxis(x, name);
  if (x.shape.length <= batchAxes) {
    throw new ShapeError(
      `${name}: expected channels behind ${batchAxes} axes of examples; received ${formatAval(x)}.`,
    );
  }
  const shape = [...x.shape.slice(0, batchAxes), ...x.shape.slice(-1)];
  for (const operand of perChannel) checkBeside(name, x, operand, shape);
  for (const operand of alike) checkBeside(name, x, operand, x.shape);
  return { shape, dtype: x.dtype };
}

/** Sums over the axes between those of the examples and the last. */
export function sumRows(o: OpBuilder, x: Tensor, batchAxes = 0): Tensor {
  const axes = x.shape.map((_, axis) => axis).slice(batchAxes, -1);
  return o.reduceSum(x, { axes });
}

/** How many numbers of each channel an example has: a scalar tensor where that is known only as the graph runs. */
export function countRows(o: OpBuilder, x: Tensor, batchAxes = 0): number | Tensor {
  const shape = x.shape.slice(batchAxes, -1);
  const count = sizeOf(shape);
  if (typeof count === "number") return count;
  return o.reduceSum(o.full({ shape, dtype: x.dtype, value: 1 }), { axes: shape.map((_, axis) => axis) });
}

/** One number for each channel of each example [...examples, channels], to stand beside `x`. */
export function besideChannels(o: OpBuilder, perChannel: Tensor, x: Tensor): Tensor {
  const ones = Array.from({ length: x.rank - perChannel.rank }, () => 1);
  return o.reshape(perChannel, {
    shape: [...perChannel.shape.slice(0, -1), ...ones, ...perChannel.shape.slice(-1)],
  });
}

/** Sums of halves stall early: they are of float32 on the way. */
export function computeWide<T extends readonly Tensor[]>(
  o: OpBuilder,
  inputs: T,
  compute: (inputs: T) => readonly Tensor[],
): readonly Tensor[] {
  const own = inputs[0]?.dtype ?? "float32";
  if (own !== "float16" && own !== "bfloat16") return compute(inputs);
  const wide = inputs.map((x) => o.convert(x, { dtype: "float32" })) as unknown as T;
  return compute(wide).map((y) => o.convert(y, { dtype: own }));
}
