/** Softmax over the last axis, its logarithm, and their derivatives. */
import { type Aval, formatAval, ShapeError, sameShape, type Tensor } from "../core/index.ts";
import type { Sample } from "../trace/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";
import { checkLastAxis, reduceLastAxis, withBatchAxis } from "./lastAxis.ts";

type Family = typeof import("./softmax.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/**
 * y = eˣ / Σ eˣ along the last axis. Shape [..., n] → same. The largest element is subtracted first, so that no
 * exponential overflows.
 */
export const softmax: FusedOp<NoParams, readonly [Tensor]> = fused("softmax", {
  dtypes: "float",
  abstract: ([x]) => {
    checkLastAxis(x, "softmax");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  decompose: (o, [x]) => {
    if (x.shape.at(-1) === 0) return [x];
    // The shift cancels, so that no derivative passes through it.
    const exponentials = o.exp(o.sub(x, o.stopGradient(reduceLastAxis(o, x, "reduceMax"), {})));
    return [o.div(exponentials, reduceLastAxis(o, exponentials, "reduceSum"))];
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

/** A derivative's operands: the result y, and its cotangent, which must be like it. */
function checkPair(y: Aval, dy: Aval, name: string): Aval {
  checkLastAxis(y, name);
  if (!sameShape(y.shape, dy.shape) || y.dtype !== dy.dtype) {
    throw new ShapeError(
      `${name}: expected a cotangent like the result, ${formatAval(y)}; received ${formatAval(dy)}.`,
    );
  }
  return { shape: y.shape, dtype: y.dtype };
}

const pairs = () =>
  [
    [2, 3],
    [2, 1, 19],
    [0, 3],
  ].map((shape): Sample<NoParams> => {
    return { inputs: [{ shape }, { shape }], params: noParams };
  });

/** dx = y·(dy − Σ dy·y) along the last axis: softmax's cotangent, from its result. Shapes [..., n], [..., n] → same. */
export const softmaxGrad: FusedOp<NoParams, readonly [Tensor, Tensor]> = fused("softmaxGrad", {
  dtypes: "float",
  abstract: ([y, dy]) => [checkPair(y, dy, "softmaxGrad")],
  decompose: (o, [y, dy]) => [o.mul(y, o.sub(dy, reduceLastAxis(o, o.mul(dy, y), "reduceSum")))],
  batch: (o, [y, dy], mapped, _params, size) =>
    o.softmaxGrad([withBatchAxis(o, y, mapped[0], size), withBatchAxis(o, dy, mapped[1], size)], noParams),
  samples: pairs,
});

/** ln softmax(x) = x − ln Σ eˣ along the last axis, accurate where softmax itself would round to 0. Shape [..., n] → same. */
export const logSoftmax: FusedOp<NoParams, readonly [Tensor]> = fused("logSoftmax", {
  dtypes: "float",
  abstract: ([x]) => {
    checkLastAxis(x, "logSoftmax");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  decompose: (o, [x]) => {
    if (x.shape.at(-1) === 0) return [x];
    const below = o.sub(x, o.stopGradient(reduceLastAxis(o, x, "reduceMax"), {}));
    return [o.sub(below, o.log(reduceLastAxis(o, o.exp(below), "reduceSum")))];
  },
  vjp: (o, { outputs: [y], cotangents: [dy] }) =>
    y && dy ? [...o.logSoftmaxGrad([y, dy], noParams)] : [null],
  batch: (o, [x]) => o.logSoftmax([x], noParams),
  samples: () => [
    { inputs: [{ shape: [2, 3], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [2, 1, 19], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [0, 3], low: -2, high: 2 }], params: noParams },
    { inputs: [{ shape: [2, 0], low: -2, high: 2 }], params: noParams },
  ],
});

/** dx = dy − e^y·Σ dy along the last axis: logSoftmax's cotangent, from its result. Shapes [..., n], [..., n] → same. */
export const logSoftmaxGrad: FusedOp<NoParams, readonly [Tensor, Tensor]> = fused("logSoftmaxGrad", {
  dtypes: "float",
  abstract: ([y, dy]) => [checkPair(y, dy, "logSoftmaxGrad")],
  decompose: (o, [y, dy]) => [o.sub(dy, o.mul(o.exp(y), reduceLastAxis(o, dy, "reduceSum")))],
  batch: (o, [y, dy], mapped, _params, size) =>
    o.logSoftmaxGrad([withBatchAxis(o, y, mapped[0], size), withBatchAxis(o, dy, mapped[1], size)], noParams),
  // y is a logarithm of probabilities.
  samples: () =>
    pairs().map(({ inputs: [y = { shape: [] }, dy = y], params }) => ({
      inputs: [{ ...y, low: -3, high: -0.1 }, dy],
      params,
    })),
});
