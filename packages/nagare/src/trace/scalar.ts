/** The vocabulary in which elementwise operations are written, once for every backend. */

/**
 * Scalar arithmetic over a backend's own kind of value: numbers in the reference backend, registers of the tile
 * interpreter in the native engine. Comparisons and logic give 0 or 1 of dtype bool.
 * Integer results wrap to the dtype; integer division truncates and gives 0 for a divisor of 0.
 */
export interface ScalarBuilder<V> {
  /** A constant of the dtype at hand. */
  constant(value: number): V;
  neg(x: V): V;
  abs(x: V): V;
  sign(x: V): V;
  exp(x: V): V;
  expm1(x: V): V;
  log(x: V): V;
  log1p(x: V): V;
  sqrt(x: V): V;
  rsqrt(x: V): V;
  sin(x: V): V;
  cos(x: V): V;
  tanh(x: V): V;
  sigmoid(x: V): V;
  erf(x: V): V;
  floor(x: V): V;
  ceil(x: V): V;
  /** To the nearest integer, ties to even. */
  round(x: V): V;
  isNan(x: V): V;
  add(a: V, b: V): V;
  sub(a: V, b: V): V;
  mul(a: V, b: V): V;
  div(a: V, b: V): V;
  pow(a: V, b: V): V;
  /** NaN when either operand is. */
  maximum(a: V, b: V): V;
  /** NaN when either operand is. */
  minimum(a: V, b: V): V;
  /** Takes the divisor's sign. */
  remainder(a: V, b: V): V;
  shiftRightLogical(a: V, b: V): V;
  bitwiseAnd(a: V, b: V): V;
  bitwiseXor(a: V, b: V): V;
  equal(a: V, b: V): V;
  notEqual(a: V, b: V): V;
  less(a: V, b: V): V;
  lessEqual(a: V, b: V): V;
  greater(a: V, b: V): V;
  greaterEqual(a: V, b: V): V;
  logicalNot(x: V): V;
  logicalAnd(a: V, b: V): V;
  logicalOr(a: V, b: V): V;
  select(condition: V, a: V, b: V): V;
}

/** An elementwise operation on scalars. */
export type ScalarRule = <V>(e: ScalarBuilder<V>, ...operands: V[]) => V;
