/** Tensors out of JavaScript values, constants and ranges. */
import {
  ConcreteTensor,
  CpuStorage,
  type DType,
  DTypeError,
  type Dim,
  type Shape,
  ShapeError,
  Tensor,
  type TensorLike,
  type TypedArray,
  ValueError,
  allocate,
  checkCount,
  checkDType,
  checkShape,
  concreteSize,
  formatShape,
  integerRanges,
  isFloat,
  normalizeAxis,
} from "../core/index.ts";
import { asTensor, builder as o, writeElement } from "../ops/index.ts";

/** An element as users write it. */
export type Element = number | boolean | bigint;

/** A typed array whose elements `tensor` reads. */
export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array;

/** What `tensor` accepts: an element, or arrays of equal lengths, nested as deep as the rank. */
export type TensorValues = Element | NumericArray | readonly TensorValues[];

/** The dtype of a new tensor. */
export interface DTypeOption<D extends DType = DType> {
  /** Default: float32 for numbers, bool for booleans, int64 for bigints. */
  readonly dtype?: D;
}

/** Options of `tensor`. */
export interface TensorOptions<D extends DType = DType> extends DTypeOption<D> {
  /** The shape of the elements in row-major order, where `values` is flat. */
  readonly shape?: readonly number[];
}

function isNumericArray(values: unknown): values is NumericArray {
  return ArrayBuffer.isView(values) && !(values instanceof DataView);
}

/** The dtypes whose storage is the typed array itself, so that elements are copied as they are. */
function nativeDType(values: NumericArray): DType | undefined {
  if (values instanceof Float32Array) return "float32";
  if (values instanceof Float64Array) return "float64";
  if (values instanceof Int8Array) return "int8";
  if (values instanceof Uint8Array || values instanceof Uint8ClampedArray) return "uint8";
  if (values instanceof Int32Array) return "int32";
  return values instanceof BigInt64Array ? "int64" : undefined;
}

function describe(value: unknown): string {
  if (value instanceof Tensor) return `${value.toString()} (join tensors with ng.stack)`;
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  return value === null ? "null" : `a value of type ${typeof value}`;
}

const positionText = (position: readonly number[]): string => `values${position.map((i) => `[${i}]`).join("")}`;

function nestedShape(values: TensorValues): number[] {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level) || isNumericArray(level); level = level[0]) shape.push(level.length);
  return shape;
}

/** Calls `visit` with every element in row-major order; throws where lengths or kinds differ. */
function visitElements(values: TensorValues, shape: readonly number[], visit: (element: Element, position: readonly number[]) => void): void {
  const position: number[] = [];
  const walk = (node: unknown, axis: number): void => {
    const size = shape[axis];
    if (size === undefined) {
      if (typeof node === "number" || typeof node === "boolean" || typeof node === "bigint") return visit(node, position);
      if (Array.isArray(node) || isNumericArray(node)) {
        throw new ShapeError(`tensor: ${positionText(position)} is an array where the first elements at this depth are numbers.`);
      }
      throw new DTypeError(`tensor: expected numbers, booleans or bigints; received ${describe(node)} at ${positionText(position)}.`);
    }
    if (!Array.isArray(node) && !isNumericArray(node)) {
      throw new ShapeError(`tensor: expected an array of ${size} at ${positionText(position)}; received ${describe(node)}.`);
    }
    if (node.length !== size) {
      throw new ShapeError(
        `tensor: expected arrays of equal lengths, of ${size} elements at this depth; ${positionText(position)} has ${node.length}.`,
      );
    }
    for (let i = 0; i < size; i++) {
      position.push(i);
      walk(node[i], axis + 1);
      position.pop();
    }
  };
  walk(values, 0);
}

function inferDType(first: Element | undefined): DType {
  if (typeof first === "boolean") return "bool";
  return typeof first === "bigint" ? "int64" : "float32";
}

/** What is wrong with writing `element` as `dtype`; undefined when nothing is. */
function misfit(element: Element, dtype: DType): string | undefined {
  if (isFloat(dtype) || dtype === "bool") return undefined;
  if (typeof element === "number" && !Number.isInteger(element)) return "a whole number";
  if (dtype === "int64") {
    const fits = typeof element === "bigint" ? BigInt.asIntN(64, element) === element : Math.abs(Number(element)) <= Number.MAX_SAFE_INTEGER;
    return fits ? undefined : "a safe integer, or a bigint of 64 bits";
  }
  const [low, high] = integerRanges[dtype] ?? [0, 0];
  return Number(element) >= low && Number(element) <= high ? undefined : `a whole number from ${low} to ${high}`;
}

function elementsOf(values: TensorValues, shape: readonly number[], dtype: DType | undefined): { array: TypedArray; dtype: DType } {
  if (isNumericArray(values)) {
    const native = nativeDType(values);
    if (native !== undefined && (dtype === undefined || dtype === native)) {
      const array = allocate(native, values.length);
      (array as Float32Array).set(values as Float32Array);
      return { array, dtype: native };
    }
    if (dtype === undefined) {
      throw new DTypeError(`tensor: a ${values.constructor.name} has no dtype of its own here. Choose one with { dtype }.`);
    }
  }
  const elements: Element[] = [];
  visitElements(values, shape, (element, position) => {
    const [first] = elements;
    if (dtype === undefined && first !== undefined && typeof element !== typeof first) {
      throw new DTypeError(
        `tensor: expected elements of one kind; received a ${typeof first} first and a ${typeof element} at ${positionText(position)}. ` +
          `Choose with { dtype }.`,
      );
    }
    const wanted = dtype && misfit(element, dtype);
    if (wanted) throw new ValueError(`tensor: expected ${wanted} for ${dtype}; received ${String(element)} at ${positionText(position)}.`);
    elements.push(element);
  });
  const chosen = dtype ?? inferDType(elements[0]);
  const array = allocate(chosen, elements.length);
  elements.forEach((element, i) => {
    writeElement(array, chosen, i, typeof element === "boolean" ? Number(element) : element);
  });
  return { array, dtype: chosen };
}

/**
 * A tensor of the given elements, which are copied. Shape: that of the nesting, or `shape` for flat values.
 * Dtype: float32 for numbers, bool for booleans, int64 for bigints, a typed array's own; or `dtype`.
 * Throws ShapeError for ragged arrays, DTypeError for mixed or foreign elements, ValueError for elements that an integer
 * dtype cannot hold, each with the element's position.
 * @example
 * ng.tensor([[1, 2], [3, 4]]); // float32[2, 2]
 * ng.tensor(new Uint8Array(784), { shape: [28, 28] }); // uint8[28, 28]
 */
export function tensor<D extends DType>(values: TensorValues, options: TensorOptions<D> & { readonly dtype: D }): Tensor<D>;
export function tensor(values: TensorValues, options?: TensorOptions): Tensor;
export function tensor(values: TensorValues, options: TensorOptions = {}): Tensor {
  const dtype = options.dtype === undefined ? undefined : checkDType(options.dtype, "tensor");
  const nested = nestedShape(values);
  const { array, dtype: chosen } = elementsOf(values, nested, dtype);
  if (options.shape === undefined) return new ConcreteTensor(nested, chosen, new CpuStorage(array));
  const shape = checkShape(options.shape, "tensor") as readonly number[];
  if (concreteSize(shape) !== array.length) {
    throw new ShapeError(
      `tensor: the shape ${formatShape(shape)} has ${concreteSize(shape)} elements; received ${array.length} values.`,
    );
  }
  return new ConcreteTensor([...shape], chosen, new CpuStorage(array));
}

/**
 * A tensor of `shape` filled with one value. Dtype: that of the value as in `tensor`, or `dtype`.
 * @example
 * ng.full([2, 2], 7).toArray(); // [[7, 7], [7, 7]]
 */
export function full<D extends DType>(shape: Shape, value: Element, options: { readonly dtype: D }): Tensor<D>;
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
  if (!Number.isFinite(value)) throw new ValueError(`${where}: expected a finite number; received ${String(value)}.`);
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
  return tensor(Array.from({ length: size }, (_, i) => start + i * step), { dtype });
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
  const at = (i: number): number => (endpoint && i === count - 1 && count > 1 ? stop : start + ((stop - start) * i) / steps);
  return tensor(Array.from({ length: count }, (_, i) => at(i)), { dtype });
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
export function oneHot(indices: TensorLike, classes: number, { dtype = "float32", axis = -1 }: OneHotOptions = {}): Tensor {
  const x = asTensor(indices, "oneHot");
  if (isFloat(x.dtype) || x.dtype === "bool") {
    throw new DTypeError(`oneHot: expected integer class indices; received ${x.dtype}. Convert them with .astype("int32").`);
  }
  checkCount(classes, 1, "oneHot, classes");
  const at = normalizeAxis(axis, x.rank + 1, "oneHot");
  // Narrow integers could not count to `classes`.
  const wide = x.dtype === "int64" ? x : o.convert(x, { dtype: "int32" });
  const column = o.reshape(wide, { shape: x.shape.toSpliced(at, 0, 1) });
  const counted = o.iota({ shape: column.shape.map((_, i) => (i === at ? classes : 1)), dtype: wide.dtype, axis: at });
  return o.convert(o.equal(column, counted), { dtype: checkDType(dtype, "oneHot") });
}
