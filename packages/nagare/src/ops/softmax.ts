/** Softmax along an axis, its logarithm, and their derivatives. */
import { type Aval, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import type { Params, Sample } from "../trace/index.ts";
import { type FusedOp, fused } from "./define/index.ts";
import { checkCotangent, reduceAlong, withBatchAxis } from "./lastAxis.ts";

type Family = typeof import("./softmax.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** Which axis the numbers that sum to 1 lie along. */
export interface Along extends Params {
  /** Counted from behind, so that it stays when axes come in front; default −1, the last. */
  readonly axis?: number;
}

function checkAxis(x: Aval, { axis = -1 }: Along, name: string): void {
  if (Number.isInteger(axis) && axis < 0 && axis >= -x.shape.length) return;
  throw new ShapeError(
    `${name}: expected an axis of the operand, counted from behind; received ${axis} for ${formatAval(x)}.`,
  );
}

/** Rows and columns of few and many elements, and none. */
const shapes: readonly (readonly [shape: readonly number[], params: Along])[] = [
  [[2, 3], {}],
  [[2, 1, 19], {}],
  [[2, 5, 19], { axis: -2 }],
  [[3, 2, 4], { axis: -3 }],
  [[0, 3], {}],
];

const single = () =>
  [...shapes, [[4], {}] as const, [[2, 0], {}] as const, [[0, 9], { axis: -2 }] as const].map(
    ([shape, params]): Sample<Along> => ({ inputs: [{ shape, low: -2, high: 2 }], params }),
  );

/**
 * y = eˣ / Σ eˣ along the axis. Shape [...] → same. The largest element is subtracted first, so that no
 * exponential overflows.
 */
export const softmax: FusedOp<Along, readonly [Tensor]> = fused("softmax", {
  dtypes: "float",
  abstract: ([x], params) => {
    checkAxis(x, params, "softmax");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  decompose: (o, [x], { axis = -1 }) => {
    if (x.shape.at(axis) === 0) return [x];
    // The shift cancels, so that no derivative passes through it.
    const exponentials = o.exp(o.sub(x, o.stopGradient(reduceAlong(o, x, axis, "reduceMax"), {})));
    return [o.div(exponentials, reduceAlong(o, exponentials, axis, "reduceSum"))];
  },
  vjp: (o, { outputs: [y], cotangents: [dy] }, params) =>
    y && dy ? [...o.softmaxGrad([y, dy], params)] : [null],
  batch: (o, [x], _mapped, params) => o.softmax([x], params),
  samples: single,
});

/** A derivative's operands: the result y, and its cotangent, which must be like it. */
function checkPair(y: Aval, dy: Aval, params: Along, name: string): Aval {
  checkAxis(y, params, name);
  checkCotangent(name, dy, y, "the result");
  return { shape: y.shape, dtype: y.dtype };
}

const pairs = () =>
  shapes.map(([shape, params]): Sample<Along> => ({ inputs: [{ shape }, { shape }], params }));

/** dx = y·(dy − Σ dy·y) along the axis: softmax's cotangent, from its result. Shapes [...], [...] → same. */
export const softmaxGrad: FusedOp<Along, readonly [Tensor, Tensor]> = fused("softmaxGrad", {
  dtypes: "float",
  abstract: ([y, dy], params) => [checkPair(y, dy, params, "softmaxGrad")],
  decompose: (o, [y, dy], { axis = -1 }) => [
    o.mul(y, o.sub(dy, reduceAlong(o, o.mul(dy, y), axis, "reduceSum"))),
  ],
  batch: (o, [y, dy], mapped, params, size) =>
    o.softmaxGrad([withBatchAxis(o, y, mapped[0], size), withBatchAxis(o, dy, mapped[1], size)], params),
  samples: pairs,
});

/** ln softmax(x) = x − ln Σ eˣ along the axis, accurate where softmax itself would round to 0. Shape [...] → same. */
export const logSoftmax: FusedOp<Along, readonly [Tensor]> = fused("logSoftmax", {
  dtypes: "float",
  abstract: ([x], params) => {
    checkAxis(x, params, "logSoftmax");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  decompose: (o, [x], { axis = -1 }) => {
    if (x.shape.at(axis) === 0) return [x];
    const below = o.sub(x, o.stopGradient(reduceAlong(o, x, axis, "reduceMax"), {}));
    return [o.sub(below, o.log(reduceAlong(o, o.exp(below), axis, "reduceSum")))];
  },
  vjp: (o, { outputs: [y], cotangents: [dy] }, params) =>
    y && dy ? [...o.logSoftmaxGrad([y, dy], params)] : [null],
  batch: (o, [x], _mapped, params) => o.logSoftmax([x], params),
  samples: single,
});

/** dx = dy − e^y·Σ dy along the axis: logSoftmax's cotangent, from its result. Shapes [...], [...] → same. */
export const logSoftmaxGrad: FusedOp<Along, readonly [Tensor, Tensor]> = fused("logSoftmaxGrad", {
  dtypes: "float",
  abstract: ([y, dy], params) => [checkPair(y, dy, params, "logSoftmaxGrad")],
  decompose: (o, [y, dy], { axis = -1 }) => [
    o.sub(dy, o.mul(o.exp(y), reduceAlong(o, dy, axis, "reduceSum"))),
  ],
  batch: (o, [y, dy], mapped, params, size) =>
    o.logSoftmaxGrad([withBatchAxis(o, y, mapped[0], size), withBatchAxis(o, dy, mapped[1], size)], params),
  // y is a logarithm of probabilities.
  samples: () =>
    pairs().map(({ inputs: [y = { shape: [] }, dy = y], params }) => ({
      inputs: [{ ...y, low: -3, high: -0.1 }, dy],
      params,
    })),
});
