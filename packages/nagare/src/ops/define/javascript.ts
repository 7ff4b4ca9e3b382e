/** The scalar vocabulary on JavaScript numbers and bigints: what the reference definitions compute with. */
import { type DType, isFloat, roundHalfToEven } from "../../core/index.ts";
import type { ScalarBuilder } from "../../trace/index.ts";

/**
 * Near 0, erf(x) = 2/√π · (x + x·Σ (−x²)ⁿ / n!(2n + 1)) over n ≥ 1 (Abramowitz & Stegun 7.1.5), whose sum is at most ¼ up to 1, so that
 * its rounding errors hardly count. Further out 1 − erfc(x), of whose relative error less than a fifth counts, with
 * erfc(x) = e^(−x²)/√π / (x + ½/(x + 1/(x + 3⁄2/(x + …)))) (7.1.14). Beyond |x| = 6 the result is ±1 in float64. At most 2 ulp off.
 */
export function erf(x: number): number {
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (magnitude >= 6) return Math.sign(x);
  if (magnitude >= 1) {
    let fraction = magnitude;
    // At 1 the neglected rest is e^(−2x√(2n)) = 1e-19 of the whole for n = 250.
    for (let n = 250; n > 0; n--) fraction = magnitude + n / 2 / fraction;
    return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction);
  }
  let term = 1;
  let sum = 0;
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * (x + x * sum);
}

/** Floats, computed in float64 and rounded to the dtype when they are stored. */
const floats: ScalarBuilder<number> = {
  constant: (value) => value,
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  // Each side takes the exponential that cannot overflow.
  sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  erf,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfToEven,
  isNan: (x) => Number(Number.isNaN(x)),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // IEEE 754: pow(1, NaN) and pow(−1, ±∞) are 1, where JavaScript says NaN.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b),
  maximum: Math.max,
  minimum: Math.min,
  remainder: (a, b) => {
    const rest = a % b;
    return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
  },
  shiftRightLogical: (a, b) => a >>> b,
  bitwiseAnd: (a, b) => a & b,
  bitwiseXor: (a, b) => a ^ b,
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
  logicalNot: (x) => Number(x === 0),
  logicalAnd: (a, b) => Number(a !== 0 && b !== 0),
  logicalOr: (a, b) => Number(a !== 0 || b !== 0),
  select: (condition, a, b) => (condition !== 0 ? a : b),
};

/** Integers of up to 32 bits; results wrap when they are stored. */
const integers: ScalarBuilder<number> = {
  ...floats,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
  remainder: (a, b) => (b === 0 ? 0 : floats.remainder(a, b)),
  pow: (a, b) => {
    if (b < 0) return a === 1 ? 1 : a === -1 ? (b % 2 === 0 ? 1 : -1) : 0;
    let result = 1;
    for (let base = a, rest = b; rest > 0; rest = Math.floor(rest / 2), base = Math.imul(base, base)) {
      if (rest % 2 === 1) result = Math.imul(result, base);
    }
    return result;
  },
  // Counts outside 0…31 shift everything out, as in XLA; JavaScript would take them modulo 32.
  shiftRightLogical: (a, b) => (b < 0 || b > 31 ? 0 : a >>> b),
};

const wrap = (x: bigint): bigint => BigInt.asIntN(64, x);
const flag = (condition: boolean): bigint => (condition ? 1n : 0n);
const unavailable = (): never => {
  throw new TypeError("not an integer operation");
};

/** int64 as bigints. */
const longs: ScalarBuilder<bigint> = {
  constant: (value) => BigInt(value),
  neg: (x) => wrap(-x),
  abs: (x) => wrap(x < 0n ? -x : x),
  sign: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
  exp: unavailable,
  expm1: unavailable,
  log: unavailable,
  log1p: unavailable,
  sqrt: unavailable,
  rsqrt: unavailable,
  sin: unavailable,
  cos: unavailable,
  tanh: unavailable,
  sigmoid: unavailable,
  erf: unavailable,
  floor: (x) => x,
  ceil: (x) => x,
  round: (x) => x,
  isNan: () => 0n,
  add: (a, b) => wrap(a + b),
  sub: (a, b) => wrap(a - b),
  mul: (a, b) => wrap(a * b),
  div: (a, b) => (b === 0n ? 0n : wrap(a / b)),
  pow: (a, b) => {
    if (b < 0n) return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
    let result = 1n;
    for (let base = a, rest = b; rest > 0n; rest >>= 1n, base = wrap(base * base)) {
      if (rest & 1n) result = wrap(result * base);
    }
    return result;
  },
  maximum: (a, b) => (a > b ? a : b),
  minimum: (a, b) => (a < b ? a : b),
  remainder: (a, b) => {
    if (b === 0n) return 0n;
    const rest = a % b;
    return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
  },
  shiftRightLogical: (a, b) => (b < 0n || b > 63n ? 0n : wrap(BigInt.asUintN(64, a) >> b)),
  bitwiseAnd: (a, b) => a & b,
  bitwiseXor: (a, b) => a ^ b,
  equal: (a, b) => flag(a === b),
  notEqual: (a, b) => flag(a !== b),
  less: (a, b) => flag(a < b),
  lessEqual: (a, b) => flag(a <= b),
  greater: (a, b) => flag(a > b),
  greaterEqual: (a, b) => flag(a >= b),
  logicalNot: (x) => flag(x === 0n),
  logicalAnd: (a, b) => flag(a !== 0n && b !== 0n),
  logicalOr: (a, b) => flag(a !== 0n || b !== 0n),
  select: (condition, a, b) => (condition !== 0n ? a : b),
};

/** The scalar arithmetic of a dtype; int64 elements are bigints, all others numbers. */
export function javascriptScalars(dtype: DType): ScalarBuilder<number | bigint> {
  if (dtype === "int64") return longs;
  return isFloat(dtype) ? floats : integers;
}
