/** Examples put together into one batch. */
import {
  ConcreteTensor,
  CpuStorage,
  concreteSize,
  type DType,
  DTypeError,
  formatAval,
  isHolder,
  type Shape,
  ShapeError,
  sameShape,
  Tensor,
  type TypedArray,
  ValueError,
} from "../core/index.ts";
import { asTensor } from "../ops/index.ts";
import { allocateUninitialized } from "../runtime/index.ts";

/** A typed array that holds one of Nagare's dtypes. */
export type TypedValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int32Array
  | BigInt64Array;

/**
 * The type of a batch of T: every leaf (tensor, number, bigint, boolean, typed array) becomes a tensor with one more axis
 * in front; arrays and records stay.
 */
export type Batched<T> =
  T extends Tensor<infer D>
    ? Tensor<D>
    : T extends number
      ? Tensor<"float32">
      : T extends boolean
        ? Tensor<"bool">
        : T extends bigint
          ? Tensor<"int64">
          : T extends TypedValues
            ? Tensor
            : { [K in keyof T]: Batched<T[K]> };

const dtypeOfTag: Readonly<Record<string, DType>> = {
  Float32Array: "float32",
  Float64Array: "float64",
  Int8Array: "int8",
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8",
  Int32Array: "int32",
  BigInt64Array: "int64",
};

/** A typed array as a tensor with one axis, or undefined for anything else. Throws DTypeError for dtypes Nagare lacks. */
export function tensorOfTypedArray(value: unknown, where: string): Tensor | undefined {
  if (!ArrayBuffer.isView(value)) return undefined;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  const dtype = dtypeOfTag[tag];
  if (!dtype) {
    throw new DTypeError(
      `${where}: expected a typed array of ${Object.values(dtypeOfTag).join(", ")}; received a ${tag}. Copy it into one of those.`,
    );
  }
  const array = value as TypedArray;
  const copy = allocateUninitialized(dtype, array.length);
  copyElements(array, 0, copy, 0, array.length);
  return new ConcreteTensor([array.length], dtype, new CpuStorage(copy));
}

/** Whether children are found by key: what trees of examples are made of. */
export function isPlainRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function leafTensor(value: unknown, where: string): Tensor | undefined {
  if (value instanceof Tensor) return value;
  const scalar = typeof value === "number" || typeof value === "boolean" || typeof value === "bigint";
  if (scalar || isHolder(value)) return asTensor(value, where);
  return tensorOfTypedArray(value, where);
}

/**
 * Stacks equal trees leaf by leaf along a new first axis. Numbers become float32, bigints int64, booleans bool.
 * Throws ShapeError, DTypeError or ValueError that names the leaf and the example that does not fit the first.
 */
export async function collate<T>(examples: readonly T[]): Promise<Batched<T>> {
  return (await collateAt(examples, "")) as Batched<T>;
}

async function collateAt(examples: readonly unknown[], path: string): Promise<unknown> {
  const [first] = examples;
  const where = `batch${path === "" ? "" : ` (${path.slice(1)})`}`;
  if (leafTensor(first, where)) {
    return stack(
      examples.map(
        (example, i) => leafTensor(example, where) ?? mismatch(where, i, "a tensor or number", example),
      ),
      where,
    );
  }
  if (Array.isArray(first)) {
    const fits = (example: unknown) => Array.isArray(example) && example.length === first.length;
    const lists = examples.map((example, i) =>
      fits(example) ? (example as unknown[]) : mismatch(where, i, `an array of ${first.length}`, example),
    );
    return Promise.all(
      first.map((_, k) =>
        collateAt(
          lists.map((list) => list[k]),
          `${path}.${k}`,
        ),
      ),
    );
  }
  if (!isPlainRecord(first)) return mismatch(where, 0, "tensors, numbers, booleans or trees of them", first);
  const keys = Object.keys(first).sort();
  const records = examples.map((example, i) => {
    const same =
      isPlainRecord(example) && JSON.stringify(Object.keys(example).sort()) === JSON.stringify(keys);
    return same ? example : mismatch(where, i, `a record of ${keys.join(", ")}`, example);
  });
  const columns = keys.map(async (key) => [
    key,
    await collateAt(
      records.map((record) => record[key]),
      `${path}.${key}`,
    ),
  ]);
  return Object.fromEntries(await Promise.all(columns));
}

function mismatch(where: string, index: number, expected: string, received: unknown): never {
  const text = isPlainRecord(received) ? `a record of ${Object.keys(received).join(", ")}` : String(received);
  throw new ValueError(
    `${where}: expected ${expected} in example ${index}; received ${text}. Bring examples to one structure with map().`,
  );
}

async function stack(tensors: readonly Tensor[], where: string): Promise<Tensor> {
  const [first] = tensors;
  if (!first) throw new ValueError(`${where}: expected at least one example; received none.`);
  tensors.forEach((tensor, i) => {
    if (sameShape(tensor.shape, first.shape) && tensor.dtype === first.dtype) return;
    const kind = tensor.dtype === first.dtype ? ShapeError : DTypeError;
    throw new kind(
      `${where}: expected ${formatAval(first)} in every example; received ${formatAval(tensor)} in example ${i}. ` +
        "Bring examples to one shape and dtype with map().",
    );
  });
  const size = concreteSize(first.shape);
  const array = allocateUninitialized(first.dtype, size * tensors.length);
  const parts = await Promise.all(tensors.map((tensor) => tensor.readStorage().read()));
  parts.forEach((part, i) => {
    copyElements(part, 0, array, i * size, size);
  });
  const shape: Shape = [tensors.length, ...first.shape];
  return new ConcreteTensor(shape, first.dtype, new CpuStorage(array));
}

/** Rows at least this long are copied by the engine's own routine, whose call costs about as much as they do. */
const longRow = 24;

/** Copies `count` elements between arrays of one dtype. */
export function copyElements(
  from: TypedArray,
  fromIndex: number,
  to: TypedArray,
  toIndex: number,
  count: number,
): void {
  if (count >= longRow) {
    (to as Float32Array).set((from as Float32Array).subarray(fromIndex, fromIndex + count), toIndex);
    return;
  }
  for (let i = 0; i < count; i++) to[toIndex + i] = from[fromIndex + i] as number;
}
