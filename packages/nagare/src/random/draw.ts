/** Random tensors from keys. The same key gives the same numbers whenever and wherever they are drawn. */

import { astype } from "../array/index.ts";
import {
  checkShape,
  type DType,
  DTypeError,
  integerRanges,
  isFloat,
  isInteger,
  type Shape,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, composite, builder as o, type Param, type ShapeParam } from "../ops/index.ts";
import { checkKey } from "./key.ts";

/** The dtype of random numbers. */
export interface DrawOptions {
  /** Default float32. */
  readonly dtype?: DType;
}

/** The parameters of a draw as a composition. */
interface Drawn {
  readonly shape: ShapeParam;
  readonly dtype: DType;
  readonly [name: string]: Param;
}

/** Options of `uniform`. */
export interface UniformOptions extends DrawOptions {
  /** The least number; default 0. */
  readonly low?: number;
  /** The end of the interval; default 1. */
  readonly high?: number;
}

/** Options of `normal`. */
export interface NormalOptions extends DrawOptions {
  /** Default 0. */
  readonly mean?: number;
  /** The standard deviation; default 1. */
  readonly std?: number;
}

/**
 * Random bits: every int32 is equally likely.
 * @example
 * ng.random.bits(key, [4]);
 */
export function bits(key: Tensor, shape: Shape): Tensor {
  checkKey(key, "random.bits");
  return o.randomBits(key, { shape: checkShape(shape, "random.bits") });
}

function checkFloat(dtype: DType, where: string): void {
  if (isFloat(dtype)) return;
  throw new DTypeError(
    `${where}: expected a float dtype; received ${dtype}. For whole numbers use ng.random.randint.`,
  );
}

/** How many bits a number in [0, 1) of each dtype has, so that none rounds up to 1. */
const fractionBits: { readonly [D in DType]?: number } = { float32: 24, float16: 11, bfloat16: 8 };

/**
 * `count` tensors of multiples of 2⁻²⁴ in [0, 1) (2⁻¹¹ and 2⁻⁸ for float16 and bfloat16, 2⁻⁵³ from two words for float64). The words of all
 * are drawn at once and taken apart before anything is made of them, so that compiled code draws each where it is needed.
 */
function units(key: Tensor, shape: Shape, dtype: DType, count: number): Tensor[] {
  const width = fractionBits[dtype];
  if (width !== undefined) {
    return words(key, shape, count).map((word) =>
      o.mul(o.convert(o.shiftRightLogical(word, 32 - width), { dtype }), 2 ** -width),
    );
  }
  const parts = words(key, shape, 2 * count);
  return parts.slice(0, count).map((upper, i) => {
    const high = o.convert(o.shiftRightLogical(upper, 5), { dtype });
    const low = o.convert(o.shiftRightLogical(parts[count + i] ?? upper, 6), { dtype });
    return o.mul(o.add(o.mul(high, 2 ** 26), low), 2 ** -53);
  });
}

/** One such tensor. */
function unit(key: Tensor, shape: Shape, dtype: DType): Tensor {
  const [only] = units(key, shape, dtype, 1) as [Tensor];
  return only;
}

/** `count` tensors of random bits, one behind the other among those of the key. */
function words(key: Tensor, shape: Shape, count: number): Tensor[] {
  if (count === 1) return [bits(key, shape)];
  const all = bits(key, [count, ...shape]);
  return Array.from({ length: count }, (_, i) => {
    const part = o.slice(all, {
      starts: all.shape.map((_, axis) => (axis === 0 ? i : 0)),
      limits: [i + 1, ...shape],
      strides: all.shape.map(() => 1),
    });
    return o.reshape(part, { shape });
  });
}

const drawUniform = composite(
  "random.uniform",
  (
    [key]: readonly [Tensor],
    { shape, low, high, dtype }: Drawn & { readonly low: number; readonly high: number },
  ) => {
    const drawn = unit(key, shape, dtype);
    const scaled = high - low === 1 ? drawn : o.mul(drawn, high - low);
    return low === 0 ? scaled : o.add(scaled, low);
  },
);

/**
 * Numbers spread evenly over [low, high), float32 by default: low + (high − low)·k·2⁻²⁴ with k of 24 random bits, rounded
 * to the dtype (by which `high` itself may occur where high − low is not a power of two).
 * Throws DTypeError for an integer dtype, ValueError for bounds that are not finite.
 * @example
 * ng.random.uniform(ng.random.key(0), [3], { low: -1, high: 1 });
 */
export function uniform(
  key: Tensor,
  shape: Shape,
  { low = 0, high = 1, dtype = "float32" }: UniformOptions = {},
): Tensor {
  checkKey(key, "random.uniform");
  checkFloat(dtype, "random.uniform");
  if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high)) {
    throw new ValueError(`random.uniform: expected finite bounds low ≤ high; received ${low} and ${high}.`);
  }
  return drawUniform([key], { shape: [...shape], low, high, dtype });
}

const drawNormal = composite(
  "random.normal",
  (
    [key]: readonly [Tensor],
    { shape, mean, std, dtype }: Drawn & { readonly mean: number; readonly std: number },
  ) => {
    const drawn = dtype === "float64" ? "float64" : "float32";
    const [u, v] = units(key, shape, drawn, 2) as [Tensor, Tensor];
    // 1 − u lies in (0, 1], where the logarithm is finite.
    const radius = o.sqrt(o.mul(o.log(o.sub(1, u)), -2));
    const z = o.mul(radius, o.cos(o.mul(v, 2 * Math.PI)));
    const scaled = std === 1 ? z : o.mul(z, std);
    return astype(mean === 0 ? scaled : o.add(scaled, mean), dtype);
  },
);

/**
 * Normally distributed numbers, float32 by default: √(−2 ln u)·cos(2πv) (Box & Muller 1958). |z| ≤ 5.8 in float32.
 * Halves are drawn in float32. Throws DTypeError for an integer dtype, ValueError for a negative deviation.
 * @example
 * ng.random.normal(ng.random.key(0), [784, 128], { std: 0.05 });
 */
export function normal(
  key: Tensor,
  shape: Shape,
  { mean = 0, std = 1, dtype = "float32" }: NormalOptions = {},
): Tensor {
  checkKey(key, "random.normal");
  checkFloat(dtype, "random.normal");
  if (!(std >= 0)) throw new ValueError(`random.normal: expected a std from 0 up; received ${std}.`);
  return drawNormal([key], { shape: [...shape], mean, std, dtype });
}

const drawBernoulli = composite(
  "random.bernoulli",
  ([key, chance]: readonly [Tensor, Tensor], { shape, dtype }: Drawn) =>
    o.less(unit(key, shape, dtype), chance),
);

/**
 * True with probability p, as bool. p may be a tensor that broadcasts to the shape; without a shape, p's is taken.
 * @example
 * ng.random.bernoulli(key, 0.9, [128]);
 */
export function bernoulli(key: Tensor, p: TensorLike = 0.5, shape?: Shape): Tensor {
  checkKey(key, "random.bernoulli");
  if (typeof p === "number" && !(p >= 0 && p <= 1)) {
    throw new ValueError(`random.bernoulli: expected a probability from 0 to 1; received ${p}.`);
  }
  const chance = asTensor(p, "random.bernoulli");
  checkFloat(chance.dtype, "random.bernoulli");
  return drawBernoulli([key, chance], { shape: [...(shape ?? chance.shape)], dtype: chance.dtype });
}

const drawIntegers = composite(
  "random.randint",
  (
    [key]: readonly [Tensor],
    { shape, low, range, dtype }: Drawn & { readonly low: number; readonly range: number },
  ) => {
    // ⌊word · range / 2³²⌋ in 64 bits, in two halves so that a range of 2³² does not overflow into the sign.
    const word = o.convert(bits(key, shape), { dtype: "int64" });
    const upper = o.shiftRightLogical(o.bitwiseAnd(word, 0xffff0000n), 16);
    const carried = o.shiftRightLogical(o.mul(o.bitwiseAnd(word, 0xffffn), range), 16);
    const offset = o.shiftRightLogical(o.add(o.mul(upper, range), carried), 16);
    return astype(o.add(offset, low), dtype);
  },
);

/**
 * Whole numbers low, low + 1 … high − 1, int32 by default. Each comes with a probability that is equal to within 2⁻³².
 * Throws ValueError for an empty range or one of more than 2³² numbers.
 * @example
 * ng.random.randint(key, [10], 1, 7); // ten throws of a die
 */
export function randint(
  key: Tensor,
  shape: Shape,
  low: number,
  high: number,
  { dtype = "int32" }: DrawOptions = {},
): Tensor {
  checkKey(key, "random.randint");
  if (!isInteger(dtype))
    throw new DTypeError(`random.randint: expected an integer dtype; received ${dtype}.`);
  const range = high - low;
  if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && range >= 1 && range <= 2 ** 32)) {
    throw new ValueError(
      `random.randint: expected whole numbers low < high, at most 2³² apart; received ${low} and ${high}.`,
    );
  }
  const [least, most] = integerRanges[dtype] ?? [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  if (low < least || high - 1 > most) {
    throw new ValueError(
      `random.randint: expected numbers that ${dtype} holds, ${least} to ${most}; received ${low} to ${high - 1}.`,
    );
  }
  return drawIntegers([key], { shape: [...shape], low, range, dtype });
}

const drawCategories = composite("random.categorical", ([key, logits]: readonly [Tensor, Tensor]) => {
  const dtype = logits.dtype === "float64" ? "float64" : "float32";
  // Half a step in place of 0: u lies in (0, 1), where both logarithms are finite.
  const u = o.maximum(unit(key, logits.shape, dtype), dtype === "float64" ? 2 ** -54 : 2 ** -25);
  const gumbel = o.neg(o.log(o.neg(o.log(u))));
  return o.argMax(o.add(astype(logits, dtype), gumbel), { axis: logits.rank - 1 });
});

/**
 * Indices drawn with probabilities softmax(logits) along the last axis, as int32: [..., classes] → [...].
 * Gumbel's trick: the largest of logits − ln(−ln u).
 * @example
 * ng.random.categorical(key, logits);
 */
export function categorical(key: Tensor, logits: TensorLike): Tensor {
  checkKey(key, "random.categorical");
  const x = asTensor(logits, "random.categorical");
  checkFloat(x.dtype, "random.categorical");
  return drawCategories([key, x], {});
}
