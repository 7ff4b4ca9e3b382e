/** Tensors out of JavaScript values. */
import {
  allocateElements,
  ConcreteTensor,
  CpuStorage,
  checkDType,
  checkShape,
  concreteSize,
  type DType,
  DTypeError,
  formatShape,
  ShapeError,
  Tensor,
  type TypedArray,
  ValueError,
} from "../core/index.ts";
import { writeElement } from "../ops/index.ts";
import { type DTypeOption, type Element, inferDType, misfit } from "./element.ts";

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

const positionText = (position: readonly number[]): string =>
  `values${position.map((i) => `[${i}]`).join("")}`;

function nestedShape(values: TensorValues): number[] {
  const shape: number[] = [];
  for (let level: unknown = values; Array.isArray(level) || isNumericArray(level); level = level[0])
    shape.push(level.length);
  return shape;
}

/** Calls `visit` with every element in row-major order; throws where lengths or kinds differ. */
function visitElements(
  values: TensorValues,
  shape: readonly number[],
  visit: (element: Element, position: readonly number[]) => void,
): void {
  const position: number[] = [];
  const walk = (node: unknown, axis: number): void => {
    const size = shape[axis];
    if (size === undefined) {
      if (typeof node === "number" || typeof node === "boolean" || typeof node === "bigint") {
        visit(node, position);
        return;
      }
      if (Array.isArray(node) || isNumericArray(node)) {
        throw new ShapeError(
          `tensor: ${positionText(position)} is an array where the first elements at this depth are numbers.`,
        );
      }
      throw new DTypeError(
        `tensor: expected numbers, booleans or bigints; received ${describe(node)} at ${positionText(position)}.`,
      );
    }
    if (!Array.isArray(node) && !isNumericArray(node)) {
      throw new ShapeError(
        `tensor: expected an array of ${size} at ${positionText(position)}; received ${describe(node)}.`,
      );
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

function elementsOf(
  values: TensorValues,
  shape: readonly number[],
  dtype: DType | undefined,
): { array: TypedArray; dtype: DType } {
  if (isNumericArray(values)) {
    const native = nativeDType(values);
    if (native !== undefined && (dtype === undefined || dtype === native)) {
      const array = allocateElements(native, values.length);
      (array as Float32Array).set(values as Float32Array);
      return { array, dtype: native };
    }
    if ((dtype === "float32" || dtype === "float64") && !(values instanceof BigInt64Array)) {
      const array = allocateElements(dtype, values.length);
      array.set(values);
      return { array, dtype };
    }
    if (dtype === undefined) {
      throw new DTypeError(
        `tensor: a ${values.constructor.name} has no dtype of its own here. Choose one with { dtype }.`,
      );
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
    if (wanted)
      throw new ValueError(
        `tensor: expected ${wanted} for ${dtype}; received ${String(element)} at ${positionText(position)}.`,
      );
    elements.push(element);
  });
  const chosen = dtype ?? inferDType(elements[0]);
  const array = allocateElements(chosen, elements.length);
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
export function tensor<D extends DType>(
  values: TensorValues,
  options: TensorOptions<D> & { readonly dtype: D },
): Tensor<D>;
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
