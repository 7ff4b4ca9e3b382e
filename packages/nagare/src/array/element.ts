/** JavaScript values as elements: the dtype they bring, and what each dtype can hold. */
import { type DType, integerRanges, isFloat } from "../core/index.ts";

/** An element as users write it. */
export type Element = number | boolean | bigint;

/** The dtype of a new tensor. */
export interface DTypeOption<D extends DType = DType> {
  /** Default: float32 for numbers, bool for booleans, int64 for bigints. */
  readonly dtype?: D;
}

/** The dtype of a lone element. */
export function inferDType(first: Element | undefined): DType {
  if (typeof first === "boolean") return "bool";
  return typeof first === "bigint" ? "int64" : "float32";
}

/** What `element` would have to be for `dtype` to hold it; undefined when it holds it. */
export function misfit(element: Element, dtype: DType): string | undefined {
  if (isFloat(dtype) || dtype === "bool") return undefined;
  if (typeof element === "number" && !Number.isInteger(element)) return "a whole number";
  if (dtype === "int64") {
    const fits =
      typeof element === "bigint"
        ? BigInt.asIntN(64, element) === element
        : Math.abs(Number(element)) <= Number.MAX_SAFE_INTEGER;
    return fits ? undefined : "a safe integer, or a bigint of 64 bits";
  }
  const [low, high] = integerRanges[dtype] ?? [0, 0];
  return Number(element) >= low && Number(element) <= high
    ? undefined
    : `a whole number from ${low} to ${high}`;
}
