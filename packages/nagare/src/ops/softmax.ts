/** Softmax over the last axis, and its derivative. */
import { type Aval, formatAval, formatShape, ShapeError, sameShape, type Tensor } from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";

type Family = typeof import("./softmax.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

function checkRows(x: Aval, name: string): void {
  if (x.shape.length === 0) {
    throw new ShapeError(
      `${name}: expected a tensor with a last axis (rank ≥ 1); received ${formatAval(x)}.`,
    );
  }
}

/** Reduces the last axis and keeps it, of size 1. */
function alongRows(o: OpBuilder, x: Tensor, reduce: "reduceSum" | "reduceMax"): Tensor {
  const last = x.rank - 1;
  return o.reshape(o[reduce](x, { axes: [last] }), { shape: x.shape.with(last, 1) });
}

/** Mapped rows are further rows; an unmapped operand is repeated. */
function batchRows(
  o: OpBuilder,
  inputs: readonly Tensor[],
  mapped: readonly boolean[],
  size: Tensor["shape"][0],
) {
  return inputs.map((x, i) => (mapped[i] ? x : o.broadcastTo(x, { shape: [size ?? 1, ...x.shape] })));
}

/**
 * y = eˣ / Σ eˣ along the last axis. Shape [..., n] → same. The largest element is subtracted first, so that no
 * exponential overflows.
 */
export const softmax: FusedOp<NoParams, readonly [Tensor]> = fused("softmax", {
  dtypes: "float",
  abstract: ([x]) => {
    checkRows(x, "softmax");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  decompose: (o, [x]) => {
    if (x.shape.at(-1) === 0) return [x];
    // The shift cancels, so that no derivative passes through it.
    const exponentials = o.exp(o.sub(x, o.stopGradient(alongRows(o, x, "reduceMax"), {})));
    return [o.div(exponentials, alongRows(o, exponentials, "reduceSum"))];
  },
  vjp: (o, { outputs: [y], cotangents: [dy] }) => (y && dy ? [...o.softmaxGrad([y, dy], noParams)] : [null]),
  batch: (o, [x]) => o.softmax([x], noParams),
  samples: () => [
    { inputs: [{ shape: [2, 3], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [2, 1, 19], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [4], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [0, 3], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [2, 0], low: -2, high: 2 }], params: noParams },
  ],
});

/** dx = y·(dy − Σ dy·y) along the last axis: softmax's cotangent, from its result. Shapes [..., n], [..., n] → same. */
export const softmaxGrad: FusedOp<NoParams, readonly [Tensor, Tensor]> = fused("softmaxGrad", {
  dtypes: "float",
  abstract: ([y, dy]) => {
    checkRows(y, "softmaxGrad");
    if (!sameShape(y.shape, dy.shape) || y.dtype !== dy.dtype) {
      throw new ShapeError(
        `softmaxGrad: expected a cotangent like the result, ${formatShape(y.shape)}; received ${formatAval(dy)}.`,
      );
    }
    return [{ shape: y.shape, dtype: y.dtype }];
  },
  decompose: (o, [y, dy]) => [o.mul(y, o.sub(dy, alongRows(o, o.mul(dy, y), "reduceSum")))],
  batch: (o, inputs, mapped, _params, size) => {
    const [y = inputs[0], dy = inputs[1]] = batchRows(o, inputs, mapped, size);
    return o.softmaxGrad([y, dy], noParams);
  },
  samples: () => [
    { inputs: [{ shape: [2, 3] }, { shape: [2, 3] }], params: noParams },
    { inputs: [{ shape: [2, 1, 19] }, { shape: [2, 1, 19] }], params: noParams },
    { inputs: [{ shape: [0, 3] }, { shape: [0, 3] }], params: noParams },
  ],
});
