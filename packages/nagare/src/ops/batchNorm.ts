/** Batch normalization and its derivative: the last axis holds the channels. */
import { bytesPerElement, concreteSize, type Tensor } from "../core/index.ts";
import type { Sample } from "../trace/index.ts";
import { checkChannels, computeWide, countRows, sumRows } from "./channels.ts";
import { type FusedOp, fused } from "./define/index.ts";

type Family = typeof import("./batchNorm.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Epsilon = { epsilon: number };

function samplesWith(params: Epsilon, alike: number, perChannel: number): Sample<Epsilon>[] {
  const shapes = [
    [3, 2],
    [2, 2, 3, 19],
    [5, 1],
    [2, 0],
  ];
  return shapes.map((shape) => ({
    inputs: [
      ...Array.from({ length: alike }, () => ({ shape, low: -2, high: 2 })),
      ...Array.from({ length: perChannel }, () => ({ shape: shape.slice(-1), low: 0.5, high: 2 })),
    ],
    params,
  }));
}

/**
 * y = scale·(x − μ)/√(σ² + epsilon) + offset, where μ and σ² = mean((x − μ)²) are those of each channel, the last axis,
 * over all others. x [..., channels], scale and offset [channels] → y like x, μ and σ² [channels] (Ioffe & Szegedy 2015).
 */
export const batchNorm: FusedOp<Epsilon, readonly [Tensor, Tensor, Tensor]> = fused("batchNorm", {
  dtypes: "float",
  abstract: ([x, scale, offset]) => {
    const channels = checkChannels("batchNorm", x, [scale, offset]);
    return [{ shape: x.shape, dtype: x.dtype }, channels, channels];
  },
  decompose: (o, inputs, { epsilon }) =>
    computeWide(o, inputs, ([x, scale, offset]) => {
      const [mean, variance] = o.channelMoments([x], { batchAxes: 0 }) as [Tensor, Tensor];
      const factor = o.mul(scale, o.rsqrt(o.add(variance, epsilon)));
      return [o.add(o.mul(o.sub(x, mean), factor), offset), mean, variance];
    }),
  vjp: (
    o,
    { inputs: [x, scale], outputs: [, mean, variance], cotangents: [dy, dMean, dVariance] },
    params,
  ) => {
    if (!mean || !variance || !dy || dMean || dVariance) return undefined;
    return [...o.batchNormGrad([dy, x, scale, mean, variance], params)];
  },
  samples: () => samplesWith({ epsilon: 1e-3 }, 1, 2),
});

/**
 * batchNorm's cotangents of x, scale and offset, from that of y: with ρ = 1/√(σ² + epsilon) and x̂ = (x − μ)·ρ,
 * dx = scale·ρ·(dy − mean(dy) − x̂·mean(dy·x̂)), dscale = Σ dy·x̂ and doffset = Σ dy.
 * dy and x [..., channels], scale, μ and σ² [channels] → [..., channels], [channels], [channels].
 */
export const batchNormGrad: FusedOp<Epsilon, readonly [Tensor, Tensor, Tensor, Tensor, Tensor]> = fused(
  "batchNormGrad",
  {
    dtypes: "float",
    abstract: ([dy, x, scale, mean, variance]) => {
      const channels = checkChannels("batchNormGrad", dy, [scale, mean, variance], [x]);
      return [{ shape: x.shape, dtype: x.dtype }, channels, channels];
    },
    decompose: (o, inputs, { epsilon }) =>
      computeWide(o, inputs, ([dy, x, scale, mean, variance]) => {
        const centered = o.sub(x, mean);
        const [sums, products] = [sumRows(o, dy), sumRows(o, o.mul(dy, centered))];
        const count = countRows(o, x);
        const widened = o.add(variance, epsilon);
        const inverse = o.rsqrt(widened);
        const factor = o.mul(scale, inverse);
        const along = o.div(o.mul(factor, products), o.mul(widened, count));
        const average = o.div(o.mul(factor, sums), count);
        const dx = o.sub(o.sub(o.mul(dy, factor), average), o.mul(centered, along));
        return [dx, o.mul(products, inverse), sums];
      }),
    cost: ([x]) => ({
      flops: 9 * concreteSize(x.shape),
      bytes: 5 * concreteSize(x.shape) * bytesPerElement(x.dtype),
    }),
    samples: () => samplesWith({ epsilon: 1e-3 }, 2, 3),
  },
);
