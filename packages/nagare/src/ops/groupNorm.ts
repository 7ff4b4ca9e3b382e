/** Normalization of groups of channels, example by example, and its derivative: the last axis holds the channels. */
import { type Aval, concreteSize, type Dim, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import type { OpBuilder, Sample } from "../trace/index.ts";
import { besideChannels, checkChannels, computeWide, countRows } from "./channels.ts";
import { type FusedOp, fused } from "./define/index.ts";
import { besideRows, checkBeside } from "./lastAxis.ts";

type Family = typeof import("./groupNorm.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Groups = { groups: number };
type GroupsAndEpsilon = { groups: number; epsilon: number };

/** What there is one of for each group of each example. Throws where x has no such groups or an operand does not go with it. */
function checkGroups(name: string, x: Aval, groups: number, perChannel: readonly Aval[]): Aval {
  const { shape, dtype } = checkChannels(name, x, [], [], 1);
  const [batch, channels] = shape as [Dim, Dim];
  if (typeof channels !== "number" || channels % groups !== 0) {
    throw new ShapeError(
      `${name}: expected [batch, …, channels], channels a multiple of ${groups} groups; received ${formatAval(x)}.`,
    );
  }
  for (const operand of perChannel) checkBeside(name, x, operand, [channels]);
  return { shape: [batch, groups], dtype };
}

/** Channels of a group: [..., channels] → [..., groups, channels / groups]. */
function inGroups(o: OpBuilder, perChannel: Tensor, groups: number): Tensor {
  const channels = Number(perChannel.shape.at(-1));
  return o.reshape(perChannel, { shape: [...perChannel.shape.slice(0, -1), groups, channels / groups] });
}

/** Sums over the channels of each group: [batch, channels] → [batch, groups]. */
function sumGroups(o: OpBuilder, perChannel: Tensor, groups: number): Tensor {
  return o.reduceSum(inGroups(o, perChannel, groups), { axes: [2] });
}

/** The number of its group for each channel: [batch, groups] → [batch, channels]. */
function forChannels(o: OpBuilder, perGroup: Tensor, channels: number): Tensor {
  const [batch, groups] = perGroup.shape as [Dim, number];
  const repeated = o.broadcastTo(besideRows(o, perGroup), { shape: [batch, groups, channels / groups] });
  return o.reshape(repeated, { shape: [batch, channels] });
}

const samples: readonly (readonly [groups: number, shape: readonly number[]])[] = [
  [2, [3, 5, 4]],
  [1, [2, 2, 3, 6]],
  [3, [2, 4, 3]],
  [2, [3, 8]],
];

/**
 * y = scale·(x − μ)·ρ + offset, where μ is the mean of a group of neighbouring channels over all of an example's positions and
 * ρ = 1/√(mean((x − μ)²) + epsilon). x [batch, ..., channels], scale and offset [channels] → y like x, μ and ρ [batch, groups]
 * (Wu & He 2018).
 */
export const groupNorm: FusedOp<GroupsAndEpsilon, readonly [Tensor, Tensor, Tensor]> = fused("groupNorm", {
  dtypes: "float",
  abstract: ([x, scale, offset], { groups }) => {
    const perGroup = checkGroups("groupNorm", x, groups, [scale, offset]);
    return [{ shape: x.shape, dtype: x.dtype }, perGroup, perGroup];
  },
  decompose: (o, inputs, { groups, epsilon }) =>
    computeWide(o, inputs, ([x, scale, offset]) => {
      const [means, variances] = o.channelMoments([x], { batchAxes: 1 }) as [Tensor, Tensor];
      const channels = Number(x.shape.at(-1));
      const share = groups / channels;
      const mean = o.mul(sumGroups(o, means, groups), share);
      // The variance of a group is the mean of its channels' variances, and of how far their means lie from the group's.
      const apart = o.square(o.sub(inGroups(o, means, groups), besideRows(o, mean)));
      const spread = o.add(inGroups(o, variances, groups), apart);
      const variance = o.mul(o.reduceSum(spread, { axes: [2] }), share);
      const inverse = o.rsqrt(o.add(variance, epsilon));
      const factors = o.mul(forChannels(o, inverse, channels), scale);
      const centered = o.sub(x, besideChannels(o, forChannels(o, mean, channels), x));
      return [o.add(o.mul(centered, besideChannels(o, factors, x)), offset), mean, inverse];
    }),
  vjp: (
    o,
    { inputs: [x, scale], outputs: [, mean, inverse], cotangents: [dy, dMean, dInverse] },
    { groups },
  ) => {
    if (!mean || !inverse || !dy || dMean || dInverse) return undefined;
    return [...o.groupNormGrad([dy, x, scale, mean, inverse], { groups })];
  },
  samples: () =>
    samples.map(([groups, shape]): Sample<GroupsAndEpsilon> => {
      const perChannel = { shape: shape.slice(-1), low: 0.5, high: 2 };
      return {
        inputs: [{ shape, low: -2, high: 2 }, perChannel, perChannel],
        params: { groups, epsilon: 1e-3 },
      };
    }),
});

/**
 * groupNorm's cotangents of x, scale and offset, from that of y: with g = scale·dy and x̂ = (x − μ)·ρ,
 * dx = ρ·(g − mean(g) − x̂·mean(g·x̂)), the means over a group's numbers; dscale = Σ dy·x̂ and doffset = Σ dy for each channel.
 * dy and x [batch, ..., channels], scale [channels], μ and ρ [batch, groups] → [batch, ..., channels], [channels], [channels].
 */
export const groupNormGrad: FusedOp<Groups, readonly [Tensor, Tensor, Tensor, Tensor, Tensor]> = fused(
  "groupNormGrad",
  {
    dtypes: "float",
    abstract: ([dy, x, scale, mean, inverse], { groups }) => {
      const perGroup = checkGroups("groupNormGrad", x, groups, [scale]);
      checkBeside("groupNormGrad", x, dy, x.shape);
      for (const operand of [mean, inverse]) checkBeside("groupNormGrad", x, operand, perGroup.shape);
      const channels = { shape: x.shape.slice(-1), dtype: x.dtype };
      return [{ shape: x.shape, dtype: x.dtype }, channels, channels];
    },
    decompose: (o, inputs, { groups }) =>
      computeWide(o, inputs, ([dy, x, scale, mean, inverse]) => {
        const channels = Number(x.shape.at(-1));
        const centers = forChannels(o, mean, channels);
        const [sums, products] = o.channelProducts([dy, x, centers], { batchAxes: 1 }) as [Tensor, Tensor];
        const inverses = forChannels(o, inverse, channels);
        const [rows, together] = [countRows(o, x, 1), channels / groups];
        const count = typeof rows === "number" ? rows * together : o.mul(rows, together);
        const averageOf = (perChannel: Tensor) =>
          o.div(sumGroups(o, o.mul(perChannel, scale), groups), count);
        // dx = factor·dy − level − (x − μ)·slope.
        const levels = forChannels(o, o.mul(inverse, averageOf(sums)), channels);
        const cubed = o.mul(o.square(inverse), inverse);
        const slopes = forChannels(o, o.mul(cubed, averageOf(products)), channels);
        const beside = (perChannel: Tensor) => besideChannels(o, perChannel, x);
        const along = o.mul(o.sub(x, beside(centers)), beside(slopes));
        const dx = o.sub(o.sub(o.mul(dy, beside(o.mul(inverses, scale))), beside(levels)), along);
        const overExamples = { axes: [0] };
        return [dx, o.reduceSum(o.mul(products, inverses), overExamples), o.reduceSum(sums, overExamples)];
      }),
    cost: ([x]) => ({ flops: 9 * concreteSize(x.shape) }),
    samples: () =>
      samples.map(([groups, shape]): Sample<Groups> => {
        const perGroup = { shape: [shape[0] ?? 1, groups], low: 0.5, high: 2 };
        return {
          inputs: [{ shape }, { shape }, { shape: shape.slice(-1) }, perGroup, perGroup],
          params: { groups },
        };
      }),
  },
);
