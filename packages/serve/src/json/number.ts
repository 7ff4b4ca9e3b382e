/** How the answer spells NaN and the infinities, which JSON has no numbers for. */
export type NonFinite = "tokens" | "strings";

const powersOfTen = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/**
 * A float32 in 7, 8 or 9 digits, trailing zeros left out, whichever first reads back as the same float32: 0.2, not
 * 0.20000000298. Whole numbers keep ".0", so that readers without a schema see a float.
 */
export function formatFloat32(value: number, nonFinite: NonFinite): string {
  // Whole numbers up to 2²⁴ have at most 8 digits as they are.
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 24) return formatFloat64(value, nonFinite);
  if (!Number.isFinite(value)) return formatFloat64(value, nonFinite);
  const leading = Math.floor(Math.log10(Math.abs(value)));
  for (let digits = 7; digits < 9; digits++) {
    const power = powersOfTen[digits - 1 - leading];
    // Beyond 10²² the power is not exact in float64, and the slow conversion decides.
    const short = power === undefined ? Number(value.toPrecision(digits)) : Math.round(value * power) / power;
    if (Math.fround(short) === value) return formatFloat64(short, nonFinite);
  }
  return formatFloat64(Number(value.toPrecision(9)), nonFinite);
}

/** A float64 in the fewest digits that read back as the same number; whole numbers keep ".0". */
export function formatFloat64(value: number, nonFinite: NonFinite): string {
  if (!Number.isFinite(value)) return nonFinite === "strings" ? `"${value}"` : String(value);
  const text = Object.is(value, -0) ? "-0" : String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}
