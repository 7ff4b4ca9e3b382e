/** What operations along the last axis share. */
import {
  type Aval,
  type Dim,
  DTypeError,
  formatAval,
  formatShape,
  ShapeError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";

/** Throws ShapeError for a scalar. */
export function checkLastAxis(x: Aval, name: string): void {
  if (x.shape.length > 0) return;
  throw new ShapeError(`${name}: expected a tensor with a last axis (rank ≥ 1); received ${formatAval(x)}.`);
}

/** Throws where an operand of an operation on x has not this shape and the dtype of x. */
export function checkBeside(name: string, x: Aval, operand: Aval, shape: readonly Dim[]): void {
  if (!sameShape(operand.shape, shape)) {
    throw new ShapeError(
      `${name}: expected an operand ${formatShape(shape)} beside ${formatAval(x)}; received ${formatAval(operand)}.`,
    );
  }
  if (operand.dtype !== x.dtype) {
    throw new DTypeError(
      `${name}: expected operands of one dtype; received ${formatAval(x)} and ${formatAval(operand)}.`,
    );
  }
}

/** The size of the last axis. Throws where it is not known, or where an operand of a normalization does not go with x. */
export function checkNormalized(
  name: string,
  x: Aval,
  perElement: readonly Aval[],
  perRow: readonly Aval[] = [],
): number {
  checkLastAxis(x, name);
  const n = x.shape.at(-1);
  if (typeof n !== "number") {
    throw new ShapeError(
      `${name}: expected a last axis whose size is a number; received ${formatShape(x.shape)}.`,
    );
  }
  for (const operand of perElement) checkBeside(name, x, operand, [n]);
  for (const operand of perRow) checkBeside(name, x, operand, x.shape.slice(0, -1));
  return n;
}

/** Throws ShapeError for a cotangent that is not like x, which the message calls `what`. */
export function checkCotangent(name: string, dy: Aval, x: Aval, what: "x" | "the result"): void {
  if (sameShape(dy.shape, x.shape) && dy.dtype === x.dtype) return;
  throw new ShapeError(
    `${name}: expected a cotangent like ${what}, ${formatAval(x)}; received ${formatAval(dy)}.`,
  );
}

/** Reduces an axis, counted from behind, and keeps it, of size 1. */
export function reduceAlong(
  o: OpBuilder,
  x: Tensor,
  axis: number,
  reduce: "reduceSum" | "reduceMax",
): Tensor {
  const at = x.rank + axis;
  return o.reshape(o[reduce](x, { axes: [at] }), { shape: x.shape.with(at, 1) });
}

/** Reduces the last axis and keeps it, of size 1. */
export function reduceLastAxis(o: OpBuilder, x: Tensor, reduce: "reduceSum" | "reduceMax"): Tensor {
  return reduceAlong(o, x, -1, reduce);
}

/** The mean of each row, which keeps the axis. */
export function averageLastAxis(o: OpBuilder, x: Tensor): Tensor {
  return o.mul(reduceLastAxis(o, x, "reduceSum"), 1 / Number(x.shape.at(-1)));
}

/** One number for each row, to stand beside the row's elements. */
export function besideRows(o: OpBuilder, x: Tensor): Tensor {
  return o.reshape(x, { shape: [...x.shape, 1] });
}

/** Numbers for the elements of a row, of which each example has its own if they are mapped, to stand beside `whole`, all examples. */
export function ofExample(
  o: OpBuilder,
  whole: Tensor,
  perElement: Tensor,
  mapped: boolean | undefined,
): Tensor {
  if (!mapped) return perElement;
  const [size = 1, ...shape] = whole.shape;
  return o.reshape(perElement, { shape: [size, ...shape.slice(0, -1).map(() => 1), shape.at(-1) ?? 1] });
}

/** Shapes that normalizations of rows are sampled with. */
export const normalizedShapes: readonly (readonly number[])[] = [[2, 3], [2, 1, 19], [4], [0, 3]];

/** An operand of a batched call with the batch's axis in front: one that is not mapped is repeated. */
export function withBatchAxis(o: OpBuilder, x: Tensor, mapped: boolean | undefined, size: Dim): Tensor {
  return mapped ? x : o.broadcastTo(x, { shape: [size, ...x.shape] });
}
