/** Normalization by the root of the mean square over the last axis, and its derivative. */
import { concreteSize, type Tensor } from "../core/index.ts";
import type { Sample } from "../trace/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";
import {
  averageLastAxis,
  besideRows,
  checkCotangent,
  checkNormalized,
  normalizedShapes,
  ofExample,
  withBatchAxis,
} from "./lastAxis.ts";

type Family = typeof import("./rmsNorm.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Epsilon = { epsilon: number };

/**
 * y = scale·x·ρ along the last axis, where ρ = 1/√(mean(x²) + epsilon). x [..., n], scale [n] → y [..., n], ρ [...]
 * (Zhang & Sennrich 2019).
 */
export const rmsNorm: FusedOp<Epsilon, readonly [Tensor, Tensor]> = fused("rmsNorm", {
  dtypes: "float",
  abstract: ([x, scale]) => {
    checkNormalized("rmsNorm", x, [scale]);
    return [
      { shape: x.shape, dtype: x.dtype },
      { shape: x.shape.slice(0, -1), dtype: x.dtype },
    ];
  },
  decompose: (o, [x, scale], { epsilon }) => {
    const inverse = o.rsqrt(o.add(averageLastAxis(o, o.square(x)), epsilon));
    return [o.mul(o.mul(x, inverse), scale), o.reshape(inverse, { shape: x.shape.slice(0, -1) })];
  },
  vjp: (o, { inputs: [x, scale], outputs: [, inverse], cotangents: [dy, dInverse] }) => {
    if (!inverse || !dy || dInverse) return undefined;
    return [...o.rmsNormGrad([dy, x, scale, inverse], noParams)];
  },
  batch: (o, [x, scale], mapped, params, size) => {
    if (mapped[0] && !mapped[1]) return o.rmsNorm([x, scale], params);
    // Rows are normalized together; each example has a scale of its own.
    const whole = withBatchAxis(o, x, mapped[0], size);
    const one = o.full({ shape: [Number(x.shape.at(-1))], dtype: x.dtype, value: 1 });
    const [normal, inverse] = o.rmsNorm([whole, one], params) as [Tensor, Tensor];
    return [o.mul(normal, ofExample(o, whole, scale, mapped[1])), inverse];
  },
  cost: ([x]) => ({ flops: 4 * concreteSize(x.shape) }),
  samples: () =>
    normalizedShapes.map(
      (shape): Sample<Epsilon> => ({
        inputs: [
          { shape, low: -2, high: 2 },
          { shape: shape.slice(-1), low: 0.5, high: 2 },
        ],
        params: { epsilon: 1e-3 },
      }),
    ),
});

/**
 * rmsNorm's cotangents of x and scale, from that of y: dx = ρ·(g − x̂·mean(g·x̂)) with g = scale·dy and x̂ = x·ρ;
 * dscale = Σ dy·x̂ over all rows. dy and x [..., n], scale [n], ρ [...] → [..., n], [n].
 */
export const rmsNormGrad: FusedOp<NoParams, readonly [Tensor, Tensor, Tensor, Tensor]> = fused(
  "rmsNormGrad",
  {
    dtypes: "float",
    abstract: ([dy, x, scale, inverse]) => {
      const n = checkNormalized("rmsNormGrad", x, [scale], [inverse]);
      checkCotangent("rmsNormGrad", dy, x, "x");
      return [
        { shape: x.shape, dtype: x.dtype },
        { shape: [n], dtype: x.dtype },
      ];
    },
    decompose: (o, [dy, x, scale, inverse]) => {
      const spread = besideRows(o, inverse);
      const normal = o.mul(x, spread);
      const g = o.mul(dy, scale);
      const along = o.mul(normal, averageLastAxis(o, o.mul(g, normal)));
      const axes = x.shape.slice(0, -1).map((_, axis) => axis);
      return [o.mul(spread, o.sub(g, along)), o.reduceSum(o.mul(dy, normal), { axes })];
    },
    cost: ([x]) => ({ flops: 9 * concreteSize(x.shape) }),
    samples: () =>
      normalizedShapes.map(
        (shape): Sample<NoParams> => ({
          inputs: [
            { shape },
            { shape },
            { shape: shape.slice(-1) },
            { shape: shape.slice(0, -1), low: 0.5, high: 2 },
          ],
          params: noParams,
        }),
      ),
  },
);
