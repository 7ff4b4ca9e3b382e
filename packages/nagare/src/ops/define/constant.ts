/** JavaScript values as operands. */
import {
  allocate,
  ConcreteTensor,
  CpuStorage,
  type DType,
  DTypeError,
  integerRanges,
  isFloat,
  isHolder,
  numberToBfloat16,
  numberToFloat16,
  Tensor,
  type TensorLike,
  type TypedArray,
  weakDType,
} from "../../core/index.ts";

/** For each dtype, scalars by value; by its name that of −0, which is the same key as 0. */
const scalars = new Map<DType, Map<number | bigint | string, ConcreteTensor>>();
/** Of one dtype. */
const maximalScalars = 1024;

/** Writes a JavaScript number as an element of `dtype`. */
export function writeElement(array: TypedArray, dtype: DType, index: number, value: number | bigint): void {
  if (dtype === "int64") (array as BigInt64Array)[index] = BigInt(value);
  else if (dtype === "float16") array[index] = numberToFloat16(Number(value));
  else if (dtype === "bfloat16") array[index] = numberToBfloat16(Number(value));
  else if (dtype === "bool") array[index] = Number(value) === 0 ? 0 : 1;
  else array[index] = Number(value);
}

/**
 * A value of one dtype as a value of another. Floats to integers drop the fraction; what does not fit saturates, NaN
 * becomes 0; integers to narrower ones wrap when they are stored; to bool: ≠ 0.
 */
export function convertElement(value: number | bigint, from: DType, to: DType): number | bigint {
  if (to === "bool") return Number(value) === 0 ? 0 : 1;
  if (isFloat(to)) return Number(value);
  if (typeof value === "bigint") return to === "int64" ? value : Number(BigInt.asIntN(32, value));
  if (to === "int64") {
    if (Number.isNaN(value)) return 0n;
    if (value >= 2 ** 63) return 2n ** 63n - 1n;
    return value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(value));
  }
  const [low, high] = integerRanges[to] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (!isFloat(from)) return value;
  return Number.isNaN(value) ? 0 : Math.min(Math.max(Math.trunc(value), low), high);
}

/** A scalar tensor. Equal scalars are the same handle, so that traces see one constant. */
export function scalar(value: number | bigint | boolean, dtype: DType): ConcreteTensor {
  const element = typeof value === "boolean" ? Number(value) : value;
  const key = Object.is(element, -0) ? "-0" : element;
  let ofDType = scalars.get(dtype);
  if (!ofDType) {
    ofDType = new Map();
    scalars.set(dtype, ofDType);
  }
  const known = ofDType.get(key);
  if (known) return known;
  const array = allocate(dtype, 1);
  writeElement(array, dtype, 0, element);
  const tensor = new ConcreteTensor([], dtype, new CpuStorage(array));
  if (ofDType.size >= maximalScalars) ofDType.clear();
  ofDType.set(key, tensor);
  return tensor;
}

/** An operand as a tensor. A number follows `beside`'s dtype (float32 when there is none: int32 for whole bigints, bool for booleans). */
export function asTensor(value: TensorLike, where: string, beside?: DType): Tensor {
  if (value instanceof Tensor) return value;
  if (isHolder(value)) return value.value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    const alone = typeof value === "boolean" ? "bool" : typeof value === "bigint" ? "int64" : "float32";
    return scalar(value, beside === undefined ? alone : weakDType(value, beside));
  }
  const isArray = Array.isArray(value) || ArrayBuffer.isView(value);
  throw new DTypeError(
    `${where}: expected a tensor or a number; received ${isArray ? "an array" : String(value)}. ` +
      `Make arrays into tensors with ng.tensor(values).`,
  );
}
