/** Layer normalization over the last axis, and its derivative. */
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

type Family = typeof import("./layerNorm.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Epsilon = { epsilon: number };

/**
 * y = scale·(x − μ)·ρ + offset along the last axis, where μ is the row's mean and ρ = 1/√(mean((x − μ)²) + epsilon).
 * x [..., n], scale and offset [n] → y [..., n], μ and ρ [...] (Ba, Kiros & Hinton 2016).
 */
export const layerNorm: FusedOp<Epsilon, readonly [Tensor, Tensor, Tensor]> = fused("layerNorm", {
  dtypes: "float",
  abstract: ([x, scale, offset]) => {
    checkNormalized("layerNorm", x, [scale, offset]);
    const perRow = { shape: x.shape.slice(0, -1), dtype: x.dtype };
    return [{ shape: x.shape, dtype: x.dtype }, perRow, perRow];
  },
  decompose: (o, [x, scale, offset], { epsilon }) => {
    const mean = averageLastAxis(o, x);
    const centered = o.sub(x, mean);
    const inverse = o.rsqrt(o.add(averageLastAxis(o, o.square(centered)), epsilon));
    const perRow = { shape: x.shape.slice(0, -1) };
    return [
      o.add(o.mul(o.mul(centered, inverse), scale), offset),
      o.reshape(mean, perRow),
      o.reshape(inverse, perRow),
    ];
  },
  vjp: (o, { inputs: [x, scale], outputs: [, mean, inverse], cotangents: [dy, dMean, dInverse] }) => {
    if (!mean || !inverse || !dy || dMean || dInverse) return undefined;
    return [...o.layerNormGrad([dy, x, scale, mean, inverse], noParams)];
  },
  batch: (o, [x, scale, offset], mapped, params, size) => {
    if (mapped[0] && !mapped[1] && !mapped[2]) return o.layerNorm([x, scale, offset], params);
    // Rows are normalized together; each example has a scale or an offset of its own.
    const whole = withBatchAxis(o, x, mapped[0], size);
    const n = [Number(x.shape.at(-1))];
    const [one, zero] = [1, 0].map((value) => o.full({ shape: n, dtype: x.dtype, value }));
    const [normal, ...statistics] = o.layerNorm([whole, one ?? scale, zero ?? offset], params);
    const scaled = o.mul(normal ?? whole, ofExample(o, whole, scale, mapped[1]));
    return [o.add(scaled, ofExample(o, whole, offset, mapped[2])), ...statistics];
  },
  cost: ([x]) => ({ flops: 8 * concreteSize(x.shape) }),
  samples: () =>
    normalizedShapes.map((shape): Sample<Epsilon> => {
      const perElement = { shape: shape.slice(-1), low: 0.5, high: 2 };
      return { inputs: [{ shape, low: -2, high: 2 }, perElement, perElement], params: { epsilon: 1e-3 } };
    }),
});

/**
 * layerNorm's cotangents of x, scale and offset, from that of y: dx = ρ·(g − mean(g) − x̂·mean(g·x̂)) with g = scale·dy and
 * x̂ = (x − μ)·ρ; dscale = Σ dy·x̂ and doffset = Σ dy over all rows.
 * dy and x [..., n], scale [n], μ and ρ [...] → [..., n], [n], [n].
 */
export const layerNormGrad: FusedOp<NoParams, readonly [Tensor, Tensor, Tensor, Tensor, Tensor]> = fused(
  "layerNormGrad",
  {
    dtypes: "float",
    abstract: ([dy, x, scale, mean, inverse]) => {
      const n = checkNormalized("layerNormGrad", x, [scale], [mean, inverse]);
      checkCotangent("layerNormGrad", dy, x, "x");
      const perElement = { shape: [n], dtype: x.dtype };
      return [{ shape: x.shape, dtype: x.dtype }, perElement, perElement];
    },
    decompose: (o, [dy, x, scale, mean, inverse]) => {
      const spread = besideRows(o, inverse);
      const normal = o.mul(o.sub(x, besideRows(o, mean)), spread);
      const g = o.mul(dy, scale);
      const apart = o.sub(g, averageLastAxis(o, g));
      const along = o.mul(normal, averageLastAxis(o, o.mul(g, normal)));
      const axes = x.shape.slice(0, -1).map((_, axis) => axis);
      return [
        o.mul(spread, o.sub(apart, along)),
        o.reduceSum(o.mul(dy, normal), { axes }),
        o.reduceSum(dy, { axes }),
      ];
    },
    cost: ([x]) => ({ flops: 14 * concreteSize(x.shape) }),
    samples: () =>
      normalizedShapes.map((shape): Sample<NoParams> => {
        const perRow = { shape: shape.slice(0, -1), low: 0.5, high: 2 };
        return {
          inputs: [{ shape }, { shape }, { shape: shape.slice(-1) }, perRow, perRow],
          params: noParams,
        };
      }),
  },
);
