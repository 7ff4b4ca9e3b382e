/** How close two results must be, for each dtype and kind of operation. */
import assert from "node:assert/strict";
import {
  type DType,
  formatAval,
  formatShape,
  isFloat,
  type Primitive,
  sameShape,
  type Tensor,
} from "nagare/backend";

/** Half the distance from 1 to the next number: the relative error of one rounding. */
export const roundingError: { readonly [D in DType]?: number } = {
  float32: 2 ** -24,
  float64: 2 ** -53,
  float16: 2 ** -11,
  bfloat16: 2 ** -8,
};

/**
 * "exact": the same bits, where every NaN is the same NaN. "ulps": units in the last place of each expected element,
 * or of `least` where that is larger.
 * "relative": a multiple of the dtype's rounding error times (1 + the largest expected magnitude).
 */
export type Tolerance =
  | { readonly kind: "exact" }
  | { readonly kind: "ulps"; readonly ulps: number; readonly least?: number }
  | { readonly kind: "relative"; readonly roundings: number };

export const exact: Tolerance = { kind: "exact" };

/**
 * What two backends, or eager and compiled code, may differ by. Integers, bools and operations that also take bool (so
 * that they choose or move elements, and round nothing) agree bit for bit; elementwise operations to a few units in the
 * last place; sums and products of many elements to the rounding errors of another order of summation.
 */
export function toleranceOf(op: Primitive, output: DType): Tolerance {
  if (!isFloat(output) || op.dtypes.includes("bool")) return exact;
  const isHalf = output === "float16" || output === "bfloat16";
  if (op.scalar) return { kind: "ulps", ulps: isHalf ? 1 : 4 };
  return { kind: "relative", roundings: isHalf ? 4 : 64 };
}

/** The distance from |value| to the next larger number of the dtype. */
function unitInLastPlace(value: number, dtype: DType): number {
  const smallest = { float32: -149, float64: -1074, float16: -24, bfloat16: -133 }[dtype as "float32"];
  const magnitude = Math.abs(value);
  if (magnitude === 0) return 2 ** smallest;
  const unit = 2 * (roundingError[dtype] ?? 0) * 2 ** Math.floor(Math.log2(magnitude));
  return Math.max(unit, 2 ** smallest);
}

type Element = number | bigint;

function elementsOf(tensor: Tensor): ArrayLike<Element> {
  return tensor.dataSync() as ArrayLike<Element>;
}

/** Asserts equal shapes and dtypes, and equal elements up to the tolerance. */
export function assertClose(actual: Tensor, expected: Tensor, tolerance: Tolerance, label: string): void {
  assert.ok(
    sameShape(actual.shape, expected.shape) && actual.dtype === expected.dtype,
    `${label}: expected ${formatAval(expected)}; received ${formatAval(actual)}`,
  );
  const [got, wanted] = [elementsOf(actual), elementsOf(expected)];
  assert.equal(got.length, wanted.length, `${label}: number of elements of ${formatShape(actual.shape)}`);
  let largest = 0;
  for (let i = 0; i < wanted.length; i++) {
    const magnitude = Math.abs(Number(wanted[i]));
    if (Number.isFinite(magnitude)) largest = Math.max(largest, magnitude);
  }
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [got[i] as Element, wanted[i] as Element];
    if (Object.is(a, b)) continue;
    const allowed = allowedDifference(Number(b), largest, expected.dtype, tolerance);
    const difference = Math.abs(Number(a) - Number(b));
    if (tolerance.kind !== "exact" && difference <= allowed) continue;
    assert.fail(
      `${label}: element ${i} of ${formatAval(expected)}: expected ${String(b)}; received ${Object.is(a, -0) ? "-0" : String(a)} ` +
        `(${tolerance.kind === "exact" ? "the same bits are required" : `allowed difference ${allowed}`})`,
    );
  }
}

function allowedDifference(expected: number, largest: number, dtype: DType, tolerance: Tolerance): number {
  switch (tolerance.kind) {
    case "exact":
      return 0;
    case "ulps":
      return tolerance.ulps * unitInLastPlace(Math.max(Math.abs(expected), tolerance.least ?? 0), dtype);
    case "relative":
      return tolerance.roundings * (roundingError[dtype] ?? 0) * (1 + largest);
  }
}

/** Asserts |actual − expected| ≤ relative · (1 + the largest magnitude): for derivatives against finite differences. */
export function assertNear(actual: Tensor, expected: Tensor, relative: number, label: string): void {
  const roundings = relative / (roundingError[expected.dtype] ?? 1);
  assertClose(actual, expected, { kind: "relative", roundings }, label);
}
