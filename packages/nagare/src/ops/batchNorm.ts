/** Batch normalization, its statistics and its derivative: the last axis holds the channels. */
import {
  type Aval,
  bytesPerElement,
  concreteSize,
  DTypeError,
  formatAval,
  formatShape,
  ShapeError,
  sameShape,
  sizeOf,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder, Sample } from "../trace/index.ts";
import { type FusedOp, fused, type NoParams, noParams } from "./define/index.ts";
import { checkLastAxis } from "./lastAxis.ts";

type Family = typeof import("./batchNorm.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

type Epsilon = { epsilon: number };

/** What there is one of for each channel. Throws where an operand does not go with x. */
function checkChannels(
  name: string,
  x: Aval,
  perChannel: readonly Aval[],
  alike: readonly Aval[] = [],
): Aval {
  checkLastAxis(x, name);
  const channels = { shape: x.shape.slice(-1), dtype: x.dtype };
  const check = (operand: Aval, expected: Aval): void => {
    if (!sameShape(operand.shape, expected.shape)) {
      throw new ShapeError(
        `${name}: expected an operand ${formatShape(expected.shape)} beside ${formatAval(x)}; received ${formatAval(operand)}.`,
      );
    }
    if (operand.dtype !== x.dtype) {
      throw new DTypeError(
        `${name}: expected operands of one dtype; received ${formatAval(x)} and ${formatAval(operand)}.`,
      );
    }
  };
  for (const operand of perChannel) check(operand, channels);
  for (const operand of alike) check(operand, x);
  return channels;
}

function allButLast(x: Tensor): readonly number[] {
  return x.shape.slice(0, -1).map((_, axis) => axis);
}

function sumRows(o: OpBuilder, x: Tensor): Tensor {
  return o.reduceSum(x, { axes: [...allButLast(x)] });
}

/** How many numbers of each channel there are: a scalar tensor where that is known only as the graph runs. */
function countRows(o: OpBuilder, x: Tensor): number | Tensor {
  const shape = x.shape.slice(0, -1);
  const count = sizeOf(shape);
  if (typeof count === "number") return count;
  return o.reduceSum(o.full({ shape, dtype: x.dtype, value: 1 }), { axes: [...allButLast(x)] });
}

/** Sums of halves stall early: they are of float32 on the way. */
function computeWide<T extends readonly Tensor[]>(
  o: OpBuilder,
  inputs: T,
  compute: (inputs: T) => readonly Tensor[],
): readonly Tensor[] {
  const own = inputs[0]?.dtype ?? "float32";
  if (own !== "float16" && own !== "bfloat16") return compute(inputs);
  const wide = inputs.map((x) => o.convert(x, { dtype: "float32" })) as unknown as T;
  return compute(wide).map((y) => o.convert(y, { dtype: own }));
}

function samplesWith<P extends NoParams | Epsilon>(
  params: P,
  alike: number,
  perChannel: number,
): Sample<P>[] {
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
 * The mean μ and the variance mean((x − μ)²) of each channel over all other axes, in one pass over x.
 * x [..., channels] → [channels], [channels].
 */
export const channelMoments: FusedOp<NoParams, readonly [Tensor]> = fused("channelMoments", {
  dtypes: "float",
  abstract: ([x]) => {
    const channels = checkChannels("channelMoments", x, []);
    return [channels, channels];
  },
  decompose: (o, inputs) =>
    computeWide(o, inputs, ([x]) => {
      const count = countRows(o, x);
      const mean = o.div(sumRows(o, x), count);
      return [mean, o.div(sumRows(o, o.square(o.sub(x, mean))), count)];
    }),
  cost: ([x]) => ({ flops: 4 * concreteSize(x.shape) }),
  samples: () => samplesWith(noParams, 1, 0),
});

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
      const [mean, variance] = o.channelMoments([x], noParams) as [Tensor, Tensor];
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
