/** What a step of gradient descent does to rows picked by number, such as those of an embedding. */
import {
  bytesOf,
  concreteSize,
  DTypeError,
  formatAval,
  ShapeError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";

type Family = typeof import("./rowUpdate.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

const values = (...shape: number[]) => ({ shape, low: -2, high: 2 });
const numbers = (shape: readonly number[], size: number, dtype: "int32" | "int64" = "int32") => ({
  shape,
  dtype,
  low: 0,
  high: size - 1,
});

/**
 * x − rate·scatterAdd(updates, indices): each row of x less `rate` times the sum of its updates. x [n, ...], integer indices
 * I, updates [I, ...], rate [] → [n, ...]. Rows that no index names stay as they are and are not touched.
 */
export const subtractRows: FusedOp<NoParams, readonly [Tensor, Tensor, Tensor, Tensor]> = fused(
  "subtractRows",
  {
    dtypes: "float",
    abstract: ([x, indices, updates, rate]) => {
      if (indices.dtype !== "int32" && indices.dtype !== "int64")
        throw new DTypeError(
          `subtractRows: expected indices of int32 or int64; received ${formatAval(indices)}. Convert them with .astype("int32").`,
        );
      const expected = { shape: [...indices.shape, ...x.shape.slice(1)], dtype: x.dtype };
      const fits =
        x.shape.length > 0 && sameShape(updates.shape, expected.shape) && updates.dtype === x.dtype;
      if (!fits)
        throw new ShapeError(
          `subtractRows: expected x [n, ...] and an update ${formatAval(expected)} for the indices; received ${formatAval(x)} ` +
            `and ${formatAval(updates)}.`,
        );
      if (x.shape[0] === 0 && !indices.shape.includes(0))
        throw new ShapeError(
          `subtractRows: expected no indices where there are no rows, ${formatAval(x)}; received ${formatAval(indices)}.`,
        );
      if (rate.shape.length > 0 || rate.dtype !== x.dtype)
        throw new ShapeError(
          `subtractRows: expected a rate ${formatAval({ shape: [], dtype: x.dtype })}; received ${formatAval(rate)}.`,
        );
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    decompose: (o, [x, indices, updates, rate]) => {
      const size = x.shape[0] ?? 0;
      return [o.sub(x, o.mul(rate, o.scatterAdd(updates, indices, { axis: 0, batchAxes: 0, size })))];
    },
    // Only the rows that are named, where the rest may stay where it is.
    cost: ([, indices, updates]) => ({
      bytes: bytesOf(indices) + 3 * bytesOf(updates),
      flops: 2 * concreteSize(updates.shape),
    }),
    samples: () => [
      { inputs: [values(5, 2), numbers([3], 5), values(3, 2), values()], params: noParams },
      { inputs: [values(4, 19), numbers([2, 3], 4, "int64"), values(2, 3, 19), values()], params: noParams },
      { inputs: [values(3), numbers([], 3), values(), values()], params: noParams },
      { inputs: [values(3, 2), numbers([0], 3), values(0, 2), values()], params: noParams },
    ],
  },
);
