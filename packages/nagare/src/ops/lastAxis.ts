/** What operations along the last axis share. */
import { type Aval, type Dim, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";

/** Throws ShapeError for a scalar. */
export function checkLastAxis(x: Aval, name: string): void {
  if (x.shape.length > 0) return;
  throw new ShapeError(`${name}: expected a tensor with a last axis (rank ≥ 1); received ${formatAval(x)}.`);
}

/** Reduces the last axis and keeps it, of size 1. */
export function reduceLastAxis(o: OpBuilder, x: Tensor, reduce: "reduceSum" | "reduceMax"): Tensor {
  const last = x.rank - 1;
  return o.reshape(o[reduce](x, { axes: [last] }), { shape: x.shape.with(last, 1) });
}

/** An operand of a batched call with the batch's axis in front: one that is not mapped is repeated. */
export function withBatchAxis(o: OpBuilder, x: Tensor, mapped: boolean | undefined, size: Dim): Tensor {
  return mapped ? x : o.broadcastTo(x, { shape: [size, ...x.shape] });
}
