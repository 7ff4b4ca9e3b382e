/** Element types, their storage in JavaScript, and how two of them combine. */
import { DTypeError } from "./errors.ts";

/** JavaScript's storage for each dtype; the halves are stored as their 16 bits. */
export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int32: Int32Array;
  int64: BigInt64Array;
  bool: Uint8Array;
}

/** The element type of a tensor. */
export type DType = keyof TypedArrayOf;
/** Any typed array that can hold a tensor's elements. */
export type TypedArray = TypedArrayOf[DType];
/** The dtypes with a fractional part: those that have derivatives. */
export type FloatDType = "float32" | "float64" | "float16" | "bfloat16";

interface DTypeInfo {
  readonly bytes: number;
  readonly kind: "float" | "int" | "bool";
  readonly array: new (
    bufferOrLength: ArrayBuffer | number,
    byteOffset?: number,
    length?: number,
  ) => TypedArray;
}

const info: { readonly [D in DType]: DTypeInfo } = {
  float32: { bytes: 4, kind: "float", array: Float32Array as DTypeInfo["array"] },
  float64: { bytes: 8, kind: "float", array: Float64Array as DTypeInfo["array"] },
  float16: { bytes: 2, kind: "float", array: Uint16Array as DTypeInfo["array"] },
  bfloat16: { bytes: 2, kind: "float", array: Uint16Array as DTypeInfo["array"] },
  int8: { bytes: 1, kind: "int", array: Int8Array as DTypeInfo["array"] },
  uint8: { bytes: 1, kind: "int", array: Uint8Array as DTypeInfo["array"] },
  int32: { bytes: 4, kind: "int", array: Int32Array as DTypeInfo["array"] },
  int64: { bytes: 8, kind: "int", array: BigInt64Array as unknown as DTypeInfo["array"] },
  bool: { bytes: 1, kind: "bool", array: Uint8Array as DTypeInfo["array"] },
};

/** Every dtype, in the order of its code in compiled programs. */
export const dtypes = Object.keys(info) as readonly DType[];

/** Whether `name` is the name of a dtype. */
export function isDType(name: unknown): name is DType {
  return typeof name === "string" && Object.hasOwn(info, name);
}

/** Checks a dtype that came from outside (an option, a file); throws DTypeError with the list of dtypes. */
export function checkDType(name: unknown, where: string): DType {
  if (isDType(name)) return name;
  throw new DTypeError(`${where}: expected one of ${dtypes.join(", ")}; received ${JSON.stringify(name)}.`);
}

/** Bytes per element. */
export function bytesPerElement(dtype: DType): number {
  return info[dtype].bytes;
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return info[dtype].kind === "float";
}

export function isInteger(dtype: DType): boolean {
  return info[dtype].kind === "int";
}

/** The least and the largest value of the integers that JavaScript numbers hold. */
export const integerRanges: { readonly [D in DType]?: readonly [number, number] } = {
  int8: [-128, 127],
  uint8: [0, 255],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

const sumDTypes: { readonly [D in DType]?: DType } = {
  float16: "float32",
  bfloat16: "float32",
  int8: "int32",
  uint8: "int32",
};

/** The dtype that holds sums of many products: float32 for the halves, int32 for int8 and uint8, otherwise the dtype itself. */
export function sumDType(dtype: DType): DType {
  return sumDTypes[dtype] ?? dtype;
}

/** A zeroed typed array for `size` elements. */
export function allocate<D extends DType>(dtype: D, size: number): TypedArrayOf[D] {
  return new info[dtype].array(size) as TypedArrayOf[D];
}

/** A typed array over `size` elements of an existing buffer, starting at `byteOffset`. */
export function viewBuffer<D extends DType>(
  dtype: D,
  buffer: ArrayBuffer,
  byteOffset: number,
  size: number,
): TypedArrayOf[D] {
  return new info[dtype].array(buffer, byteOffset, size) as TypedArrayOf[D];
}

/**
 * The dtype in which two operands meet: equal dtypes stay; int + float → the float; half + float32 → float32.
 * Throws DTypeError for every other pair: nothing else converts silently.
 */
export function promote(a: DType, b: DType, where: string): DType {
  if (a === b) return a;
  const [kindA, kindB] = [info[a].kind, info[b].kind];
  if (kindA === "int" && kindB === "float") return b;
  if (kindA === "float" && kindB === "int") return a;
  const isHalf = (dtype: DType) => dtype === "float16" || dtype === "bfloat16";
  if ((a === "float32" && isHalf(b)) || (b === "float32" && isHalf(a))) return "float32";
  throw new DTypeError(
    `${where}: ${a} and ${b} do not combine by themselves. Convert one of them with .astype("${
      kindA === "bool" ? b : a
    }").`,
  );
}

/**
 * The dtype a JavaScript number takes beside an operand of `other`: numbers are weak and follow the tensor;
 * a fraction beside an integer tensor makes float32.
 */
export function weakDType(value: number | bigint | boolean, other: DType): DType {
  if (typeof value === "boolean") return other === "bool" ? "bool" : other;
  if (typeof value === "bigint") return isInteger(other) || isFloat(other) ? other : "int64";
  if (other === "bool") return Number.isInteger(value) ? "int32" : "float32";
  return isFloat(other) || Number.isInteger(value) ? other : "float32";
}
