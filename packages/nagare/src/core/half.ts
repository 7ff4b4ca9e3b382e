/** float16 and bfloat16 as 16 stored bits: conversion to and from JavaScript numbers, rounding to nearest even. */

const scratch = new DataView(new ArrayBuffer(4));

/** The value of IEEE 754 binary16 bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The bits of the binary16 number nearest to `value`; ties to even, overflow to infinity. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below 2⁻¹⁴ the spacing is the subnormals' 2⁻²⁴; above, 2^(e−10).
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const units = roundHalfToEven(magnitude / 2 ** (exponent - 10));
  if (magnitude < 2 ** -14) return sign | units;
  // A carry out of the fraction lands in the exponent field, which is what rounding up means.
  return sign | (((exponent + 15) << 10) + (units - 1024));
}

/** The value of bfloat16 bits: the upper half of a float32. */
export function bfloat16ToNumber(bits: number): number {
  scratch.setUint32(0, (bits << 16) >>> 0);
  return scratch.getFloat32(0);
}

/** The bits of the bfloat16 number nearest to `value` (rounded first to float32, as hardware does). */
export function numberToBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Rounds to the nearest integer; a tie goes to the even one, and what rounds to zero keeps its sign. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  if (up && floor === -1) return -0;
  return up ? floor + 1 : floor;
}
