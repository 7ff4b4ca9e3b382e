/** What operations along the last axis share. */
import { type Aval, type Dim, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";

/** Throws ShapeError for a scalar. */
export function checkLastAxis(x: Aval, name: string): void {
  if (x.shape.length > 0) return;
  throw new ShapeError(`${name}: expected a tensor with a last axis (rank ≥ 1); received ${formatAval(x)}.`);
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
