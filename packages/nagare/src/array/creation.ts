/** Tensors of constants and ranges. */
import {
  checkCount,
  checkDType,
  checkShape,
  type Dim,
  type DType,
  DTypeError,
  isFloat,
  normalizeAxis,
  type Shape,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";
import { type DTypeOption, type Element, inferDType, misfit } from "./element.ts";
import { tensor } from "./values.ts";

/**
 * A tensor of `shape` filled with one value. Dtype: that of the value as in `tensor`, or `dtype`.
 * @example
 * ng.full([2, 2], 7).toArray(); // [[7, 7], [7, 7]]
 */
export function full<D extends DType>(
  shape: Shape,
  value: Element,
  options: { readonly dtype: D },
): Tensor<D>;
export function full(shape: Shape, value: Element, options?: DTypeOption): Tensor;
export function full(shape: Shape, value: Element, options: DTypeOption = {}): Tensor {
  const dtype = checkDType(options.dtype ?? inferDType(value), "full");
  const wanted = misfit(value, dtype);
  if (wanted) throw new ValueError(`full: expected ${wanted} for ${dtype}; received ${String(value)}.`);
  return o.full({ shape, dtype, value: typeof value === "boolean" ? Number(value) : value });
}

/**
 * Zeros of `shape`; float32 unless `dtype` says otherwise.
 * @example
 * ng.zeros([2, 3], { dtype: "int32" });
 */
export function zeros<D extends DType = "float32">(shape: Shape, { dtype }: DTypeOption<D> = {}): Tensor<D> {
  return full(shape, 0, { dtype: dtype ?? ("float32" as D) });
}

/**
 * Ones of `shape`; float32 unless `dtype` says otherwise.
 * @example
 * ng.ones([3]).toArray(); // [1, 1, 1]
 */
export function ones<D extends DType = "float32">(shape: Shape, { dtype }: DTypeOption<D> = {}): Tensor<D> {
  return full(shape, 1, { dtype: dtype ?? ("float32" as D) });
}

/** Zeros of x's shape, and of its dtype unless `dtype` says otherwise. */
export function zerosLike(x: TensorLike, { dtype }: DTypeOption = {}): Tensor {
  const like = asTensor(x, "zerosLike");
  return full(like.shape, 0, { dtype: dtype ?? like.dtype });
}

/** Ones of x's shape, and of its dtype unless `dtype` says otherwise. */
export function onesLike(x: TensorLike, { dtype }: DTypeOption = {}): Tensor {
  const like = asTensor(x, "onesLike");
  return full(like.shape, 1, { dtype: dtype ?? like.dtype });
}

function checkFinite(value: number, where: string): void {
  if (!Number.isFinite(value))
    throw new ValueError(`${where}: expected a finite number; received ${String(value)}.`);
}

/**
 * `arange(stop)`: 0, 1 … below stop; `arange(start, stop, step)`: start, start + step … before stop.
 * Shape [⌈(stop − start) / step⌉]; float32 unless `dtype` says otherwise. Throws ValueError for a step of 0.
 * @example
 * ng.arange(3).toArray(); // [0, 1, 2]
 * ng.arange(1, 2, 0.25).toArray(); // [1, 1.25, 1.5, 1.75]
 */
export function arange(stop: number, options?: DTypeOption): Tensor;
export function arange(start: number, stop: number, options?: DTypeOption): Tensor;
export function arange(start: number, stop: number, step: number, options?: DTypeOption): Tensor;
export function arange(...args: (number | DTypeOption | undefined)[]): Tensor {
  const numbers = args.filter((arg) => typeof arg === "number");
  const options = args.find((arg) => typeof arg === "object") ?? {};
  const [first = 0, second, step = 1] = numbers;
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  for (const value of [start, stop, step]) checkFinite(value, "arange");
  if (step === 0) throw new ValueError("arange: expected a step other than 0; received 0.");
  const dtype = checkDType(options.dtype ?? "float32", "arange");
  const size = Math.max(0, Math.ceil((stop - start) / step));
  // Counting from 0 needs no elements in the graph.
  if (start === 0 && step === 1 && dtype !== "bool") return o.iota({ shape: [size], dtype, axis: 0 });
  return tensor(
    Array.from({ length: size }, (_, i) => start + i * step),
    { dtype },
  );
}

/**
 * 0, 1, 2 … along one axis of `shape`, the same along the others; float32 and the last axis by default.
 * Throws ShapeError for an axis that is not there.
 * @example
 * ng.iota([2, 3], "int32").toArray(); // [[0, 1, 2], [0, 1, 2]]
 */
export function iota(shape: Shape, dtype: DType = "float32", axis = -1): Tensor {
  const at = normalizeAxis(axis, shape.length, "iota");
  return o.iota({ shape, dtype: checkDType(dtype, "iota"), axis: at });
}

/** Options of `linspace`. */
export interface LinspaceOptions extends DTypeOption {
  /** Whether `stop` is the last number (default true) or the first one left out. */
  readonly endpoint?: boolean;
}

/**
 * `count` numbers at equal distances from start to stop. Shape [count]; float32 unless `dtype` says otherwise.
 * @example
 * ng.linspace(0, 1, 5).toArray(); // [0, 0.25, 0.5, 0.75, 1]
 */
export function linspace(start: number, stop: number, count = 50, options: LinspaceOptions = {}): Tensor {
  checkFinite(start, "linspace");
  checkFinite(stop, "linspace");
  checkCount(count, 0, "linspace, count");
  const { dtype = "float32", endpoint = true } = options;
  const steps = Math.max(1, endpoint ? count - 1 : count);
  // The end is met exactly, which start + (stop − start)·i/steps would miss by a rounding.
  const at = (i: number): number =>
    endpoint && i === count - 1 && count > 1 ? stop : start + ((stop - start) * i) / steps;
  return tensor(
    Array.from({ length: count }, (_, i) => at(i)),
    { dtype },
  );
}

/**
 * Ones on the diagonal, zeros elsewhere. Shape [rows, columns] (columns = rows by default); float32 by default.
 * @example
 * ng.eye(2).toArray(); // [[1, 0], [0, 1]]
 */
export function eye(rows: Dim, columns: Dim = rows, { dtype = "float32" }: DTypeOption = {}): Tensor {
  const shape = checkShape([rows, columns], "eye");
  const index = (axis: number): Tensor => o.iota({ shape, dtype: "int32", axis });
  return o.convert(o.equal(index(0), index(1)), { dtype: checkDType(dtype, "eye") });
}

/** Options of `oneHot`. */
export interface OneHotOptions extends DTypeOption {
  /** Where the new axis stands in the result; default −1, the last. */
  readonly axis?: number;
}

/**
 * 1 where the new axis's index equals the class index, 0 elsewhere; all zeros for an index outside 0 … classes − 1.
 * Integers [...] → [..., classes]; float32 by default. Throws DTypeError for indices that are not integers.
 * @example
 * ng.oneHot(ng.tensor([1, 0], { dtype: "int32" }), 3).toArray(); // [[0, 1, 0], [1, 0, 0]]
 */
export function oneHot(
  indices: TensorLike,
  classes: number,
  { dtype = "float32", axis = -1 }: OneHotOptions = {},
): Tensor {
  const x = asTensor(indices, "oneHot");
  if (isFloat(x.dtype) || x.dtype === "bool") {
    throw new DTypeError(
      `oneHot: expected integer class indices; received ${x.dtype}. Convert them with .astype("int32").`,
    );
  }
  checkCount(classes, 1, "oneHot, classes");
  const at = normalizeAxis(axis, x.rank + 1, "oneHot");
  // Narrow integers could not count to `classes`.
  const wide = x.dtype === "int64" ? x : o.convert(x, { dtype: "int32" });
  const column = o.reshape(wide, { shape: x.shape.toSpliced(at, 0, 1) });
  const counted = o.iota({
    shape: column.shape.map((_, i) => (i === at ? classes : 1)),
    dtype: wide.dtype,
    axis: at,
  });
  return o.convert(o.equal(column, counted), { dtype: checkDType(dtype, "oneHot") });
}
