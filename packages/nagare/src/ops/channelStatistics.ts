/** Statistics of channels, the last axis, which normalizations are made of. */
import { concreteSize, type Tensor } from "../core/index.ts";
import type { Sample } from "../trace/index.ts";
import { besideChannels, checkChannels, computeWide, countRows, sumRows } from "./channels.ts";
import { type FusedOp, fused } from "./define/index.ts";
import { withBatchAxis } from "./lastAxis.ts";

type Family = typeof import("./channelStatistics.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** How many axes in front are kept apart: what lies behind them, but for the channels, is one set of numbers. */
type Apart = { batchAxes: number };

function samplesWith(alike: number, centers: boolean): Sample<Apart>[] {
  const shapes: readonly (readonly [batchAxes: number, shape: readonly number[]])[] = [
    [0, [3, 2]],
    [0, [2, 2, 3, 19]],
    [1, [2, 5, 3]],
    [1, [3, 2, 2, 8]],
    [2, [2, 2, 3, 4]],
    [0, [2, 0]],
  ];
  return shapes.map(([batchAxes, shape]) => ({
    inputs: [
      ...Array.from({ length: alike }, () => ({ shape, low: -2, high: 2 })),
      ...(centers ? [{ shape: [...shape.slice(0, batchAxes), ...shape.slice(-1)], low: 0.5, high: 2 }] : []),
    ],
    params: { batchAxes },
  }));
}

/**
 * The mean μ and the variance mean((x − μ)²) of each channel of each example, in one pass over x.
 * x [...examples, ..., channels] → [...examples, channels] twice, where `batchAxes` axes are those of the examples.
 */
export const channelMoments: FusedOp<Apart, readonly [Tensor]> = fused("channelMoments", {
  dtypes: "float",
  abstract: ([x], { batchAxes }) => {
    const channels = checkChannels("channelMoments", x, [], [], batchAxes);
    return [channels, channels];
  },
  decompose: (o, inputs, { batchAxes }) =>
    computeWide(o, inputs, ([x]) => {
      const count = countRows(o, x, batchAxes);
      const mean = o.div(sumRows(o, x, batchAxes), count);
      const centered = o.sub(x, besideChannels(o, mean, x));
      return [mean, o.div(sumRows(o, o.square(centered), batchAxes), count)];
    }),
  batch: (o, [x], _mapped, { batchAxes }) => o.channelMoments([x], { batchAxes: batchAxes + 1 }),
  cost: ([x]) => ({ flops: 4 * concreteSize(x.shape) }),
  samples: () => samplesWith(1, false),
});

/**
 * Σ dy and Σ dy·(x − center) of each channel of each example, in one pass over dy and x.
 * dy and x [...examples, ..., channels], centers [...examples, channels] → [...examples, channels] twice, where `batchAxes`
 * axes are those of the examples.
 */
export const channelProducts: FusedOp<Apart, readonly [Tensor, Tensor, Tensor]> = fused("channelProducts", {
  dtypes: "float",
  abstract: ([dy, x, centers], { batchAxes }) => {
    const channels = checkChannels("channelProducts", dy, [centers], [x], batchAxes);
    return [channels, channels];
  },
  decompose: (o, inputs, { batchAxes }) =>
    computeWide(o, inputs, ([dy, x, centers]) => [
      sumRows(o, dy, batchAxes),
      sumRows(o, o.mul(dy, o.sub(x, besideChannels(o, centers, x))), batchAxes),
    ]),
  batch: (o, [dy, x, centers], [mappedDy, mappedX, mappedCenters], { batchAxes }, size) =>
    o.channelProducts(
      [
        withBatchAxis(o, dy, mappedDy, size),
        withBatchAxis(o, x, mappedX, size),
        withBatchAxis(o, centers, mappedCenters, size),
      ],
      { batchAxes: batchAxes + 1 },
    ),
  cost: ([x]) => ({ flops: 4 * concreteSize(x.shape) }),
  samples: () => samplesWith(2, true),
});
