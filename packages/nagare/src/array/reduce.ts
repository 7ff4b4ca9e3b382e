/** Reductions over axes, in NumPy's words: all axes unless some are named. */
import {
  type Dim,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  sizeOf,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, composite, builder as o, type Param } from "../ops/index.ts";
import { asFloat, widened } from "./precision.ts";

/** Which axes a reduction runs over. */
export interface ReduceOptions {
  /** One axis or several, negative ones counted from the back; all by default. */
  readonly axis?: number | readonly number[];
  /** Whether reduced axes stay, with size 1, so that the result broadcasts against x; default false. */
  readonly keepDims?: boolean;
}

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** What is taken off the number of elements in the divisor: 0 (default) as in NumPy, 1 for an unbiased estimate. */
  readonly correction?: number;
}

/** Options of `argMax` and `argMin`. */
export interface ArgOptions {
  /** The axis to search; by default the tensor is searched as if it were flat. */
  readonly axis?: number;
  /** Whether the searched axis stays, with size 1; default false. */
  readonly keepDims?: boolean;
}

/** The parameters of a composition over axes that are in range. */
interface Axes {
  readonly axes: readonly number[];
  readonly [name: string]: Param;
}

function kept(reduced: Tensor, from: Shape, axes: readonly number[], keepDims: boolean | undefined): Tensor {
  if (!keepDims) return reduced;
  return o.reshape(reduced, { shape: from.map((size, i) => (axes.includes(i) ? 1 : size)) });
}

function reduce(
  x: TensorLike,
  { axis, keepDims }: ReduceOptions,
  where: string,
  fold: (x: Tensor, axes: readonly number[]) => Tensor,
): Tensor {
  const operand = asTensor(x, where);
  const axes = normalizeAxes(axis, operand.rank, where);
  return kept(fold(operand, axes), operand.shape, axes, keepDims);
}

/** How many elements the axes hold: a number, or a scalar tensor when that is known only as the graph runs. */
function countOf(x: Tensor, axes: readonly number[]): number | Tensor {
  const shape = axes.map((axis): Dim => x.shape[axis] ?? 1);
  const count = sizeOf(shape);
  if (typeof count === "number") return count;
  return o.reduceSum(o.full({ shape, dtype: x.dtype, value: 1 }), { axes: shape.map((_, i) => i) });
}

/** Bools count as int32. */
function countable(x: Tensor): Tensor {
  return x.dtype === "bool" ? o.convert(x, { dtype: "int32" }) : x;
}

/**
 * The sum over axes; 0 over none. Dtype: x's, int32 for bool; integers wrap.
 * @example
 * ng.sum(ng.tensor([[1, 2], [3, 4]]), { axis: 0 }).toArray(); // [4, 6]
 */
export function sum(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, "sum", (t, axes) => o.reduceSum(countable(t), { axes }));
}

/**
 * The product over axes; 1 over none. Dtype: x's, int32 for bool; integers wrap.
 * @example
 * ng.prod(ng.tensor([2, 3, 4])).item(); // 24
 */
export function prod(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, "prod", (t, axes) => o.reduceProd(countable(t), { axes }));
}

const meanOver = composite("mean", ([x]: readonly [Tensor], { axes }: Axes) =>
  widened(x, (wide) => o.div(o.reduceSum(wide, { axes }), countOf(wide, axes))),
);

/**
 * The mean over axes; NaN over none. Float dtypes stay (halves are summed in float32); integers and bools give float32.
 * @example
 * ng.mean(ng.tensor([[1, 2], [3, 5]]), { axis: 1 }).toArray(); // [1.5, 4]
 */
export function mean(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, "mean", (t, axes) => meanOver([t], { axes }));
}

/**
 * The largest element over axes; NaN when there is one. Elements that tie share the derivative equally.
 * Throws ShapeError where there is nothing to choose from.
 * @example
 * ng.max(ng.tensor([[1, 5], [4, 2]]), { axis: 1 }).toArray(); // [5, 4]
 */
export function max(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, "max", (t, axes) => o.reduceMax(t, { axes }));
}

/**
 * The smallest element over axes; NaN when there is one. Elements that tie share the derivative equally.
 * Throws ShapeError where there is nothing to choose from.
 * @example
 * ng.min(ng.tensor([[1, 5], [4, 2]]), { axis: 1 }).toArray(); // [1, 2]
 */
export function min(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, "min", (t, axes) => o.reduceMin(t, { axes }));
}

/** The variance of numbers that follow each other, the last axes, which is made in one pass; undefined of others. */
function varianceOfRuns(x: Tensor, axes: readonly number[], correction: number): Tensor | undefined {
  const apart = x.shape.slice(0, x.rank - axes.length);
  const count = countOf(x, axes);
  if (axes.some((axis) => axis < apart.length) || typeof count !== "number" || count === 0) return undefined;
  const runs = o.reshape(x, { shape: [...apart, count, 1] });
  const [, variance] = o.channelMoments([runs], { batchAxes: apart.length });
  if (!variance) return undefined;
  const biased = o.reshape(variance, { shape: apart });
  return correction === 0 ? biased : o.mul(biased, count / (count - correction));
}

const varianceOver = composite(
  "variance",
  ([x]: readonly [Tensor], { axes, correction }: Axes & { readonly correction: number }) =>
    widened(x, (wide) => {
      const ofRuns = varianceOfRuns(wide, axes, correction);
      if (ofRuns) return ofRuns;
      const count = countOf(wide, axes);
      const center = kept(o.div(o.reduceSum(wide, { axes }), count), wide.shape, axes, true);
      const squares = o.reduceSum(o.square(o.sub(wide, center)), { axes });
      return o.div(squares, typeof count === "number" ? count - correction : o.sub(count, correction));
    }),
);

/**
 * The mean squared distance from the mean over axes. Float dtypes stay (halves are summed in float32); integers and
 * bools give float32.
 * @example
 * ng.variance(ng.tensor([1, 2, 3, 4])).item(); // 1.25
 */
export function variance(x: TensorLike, { correction = 0, ...options }: VarianceOptions = {}): Tensor {
  return reduce(x, options, "variance", (t, axes) => varianceOver([t], { axes, correction }));
}

/**
 * The standard deviation over axes, the root of `variance`. Its derivative is not finite where the variance is 0.
 * @example
 * ng.std(ng.tensor([1, 3])).item(); // 1
 */
export function std(x: TensorLike, options: VarianceOptions = {}): Tensor {
  return o.sqrt(variance(x, options));
}

function argExtreme(name: "argMax" | "argMin", x: TensorLike, { axis, keepDims }: ArgOptions): Tensor {
  const operand = asTensor(x, name);
  if (axis === undefined) {
    const found = o[name](o.reshape(operand, { shape: [sizeOf(operand.shape)] }), { axis: 0 });
    return kept(found, operand.shape, normalizeAxes(undefined, operand.rank, name), keepDims);
  }
  const at = normalizeAxis(axis, operand.rank, name);
  return kept(o[name](operand, { axis: at }), operand.shape, [at], keepDims);
}

/**
 * The index of the largest element, as int32: the first at a tie, the first NaN if there is one. Without an axis the
 * tensor is searched as if it were flat. Throws ShapeError where there is nothing to choose from.
 * @example
 * ng.argMax(ng.tensor([[1, 5], [4, 2]]), { axis: 1 }).toArray(); // [1, 0]
 */
export function argMax(x: TensorLike, options: ArgOptions = {}): Tensor {
  return argExtreme("argMax", x, options);
}

/**
 * The index of the smallest element, as int32: the first at a tie, the first NaN if there is one. Without an axis the
 * tensor is searched as if it were flat. Throws ShapeError where there is nothing to choose from.
 * @example
 * ng.argMin(ng.tensor([[1, 5], [4, 2]]), { axis: 1 }).toArray(); // [0, 1]
 */
export function argMin(x: TensorLike, options: ArgOptions = {}): Tensor {
  return argExtreme("argMin", x, options);
}

/** An extreme of truth values, with the value that holds over no elements. */
function quantified(x: TensorLike, options: ReduceOptions, name: "any" | "all"): Tensor {
  return reduce(x, options, name, (t, axes) => {
    const shape = t.shape.filter((_, i) => !axes.includes(i));
    if (axes.some((axis) => t.shape[axis] === 0))
      return o.full({ shape, dtype: "bool", value: name === "all" ? 1 : 0 });
    const truth = t.dtype === "bool" ? t : o.notEqual(t, 0);
    return name === "any" ? o.reduceMax(truth, { axes }) : o.reduceMin(truth, { axes });
  });
}

/**
 * Whether any element over the axes is true (or not 0), as bool; false over none.
 * @example
 * ng.any(x.less(0)).item();
 */
export function any(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return quantified(x, options, "any");
}

/**
 * Whether all elements over the axes are true (or not 0), as bool; true over none.
 * @example
 * ng.all(x.isNan().logicalNot()).item();
 */
export function all(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return quantified(x, options, "all");
}

const logSumExpOver = composite("logSumExp", ([x]: readonly [Tensor], { axes }: Axes) =>
  widened(x, (wide) => {
    const largest = o.stopGradient(kept(o.reduceMax(wide, { axes }), wide.shape, axes, true), {});
    // An infinite maximum would make ∞ − ∞; without a shift the sum is right in that case.
    const shift = o.select(o.equal(o.sub(largest, largest), 0), largest, 0);
    const total = o.log(o.reduceSum(o.exp(o.sub(wide, shift)), { axes }));
    return o.add(total, o.reshape(shift, { shape: total.shape }));
  }),
);

/**
 * ln Σ eˣ over axes, computed from the largest element so that nothing overflows; −∞ where all elements are.
 * Float dtypes stay; integers and bools give float32.
 * @example
 * ng.logSumExp(ng.tensor([1000, 1000])).item(); // 1000.6931…
 */
export function logSumExp(x: TensorLike, options: ReduceOptions = {}): Tensor {
  return reduce(x, options, "logSumExp", (t, axes) => logSumExpOver([t], { axes }));
}

/** Options of `norm`. */
export interface NormOptions extends ReduceOptions {
  /** 2 (default): √Σx²; 1: Σ|x|; Infinity: max |x|. */
  readonly ord?: number;
}

const absoluteSum = composite("norm", ([x]: readonly [Tensor], { axes }: Axes) =>
  o.reduceSum(o.abs(asFloat(x)), { axes }),
);
const absoluteMax = composite("norm", ([x]: readonly [Tensor], { axes }: Axes) =>
  o.reduceMax(o.abs(asFloat(x)), { axes }),
);
const euclideanNorm = composite("norm", ([x]: readonly [Tensor], { axes }: Axes) =>
  widened(x, (wide) => {
    const squares = o.reduceSum(o.square(wide), { axes });
    const isZero = o.equal(squares, 0);
    return o.select(isZero, 0, o.sqrt(o.select(isZero, 1, squares)));
  }),
);

/**
 * The length of vectors along axes. The derivative of the Euclidean norm at 0 is taken as 0.
 * Float dtypes stay; integers give float32. Throws ValueError for another `ord` than 1, 2 and Infinity.
 * @example
 * ng.norm(ng.tensor([3, 4])).item(); // 5
 */
export function norm(x: TensorLike, { ord = 2, ...options }: NormOptions = {}): Tensor {
  return reduce(x, options, "norm", (t, axes) => {
    if (ord === 1) return absoluteSum([t], { axes });
    if (ord === Number.POSITIVE_INFINITY) return absoluteMax([t], { axes });
    if (ord !== 2)
      throw new ValueError(`norm: expected ord to be 1, 2 or Infinity; received ${String(ord)}.`);
    return euclideanNorm([t], { axes });
  });
}
