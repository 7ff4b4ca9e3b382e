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

/** An operand of a batched call with the batch's axis in front: one that is not mapped is repeated. */
export function withBatchAxis(o: OpBuilder, x: Tensor, mapped: boolean | undefined, size: Dim): Tensor {
  return mapped ? x : o.broadcastTo(x, { shape: [size, ...x.shape] });
}
