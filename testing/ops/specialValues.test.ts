import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "nagare";
import {
  abs,
  add,
  argMax,
  argMin,
  convert,
  type DType,
  div,
  exp,
  gather,
  maximum,
  maxPool2d,
  minimum,
  neg,
  pow,
  reduceMax,
  reduceMin,
  reduceProd,
  reduceSum,
  remainder,
  round,
  ShapeError,
  scatterAdd,
  shiftRightLogical,
  sign,
  type Tensor,
  ValueError,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { tensorOf } from "../generator/draw.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

function row(values: readonly (number | bigint)[], dtype: DType): Tensor {
  return tensorOf(values as number[], [values.length], dtype);
}

function assertElements(actual: Tensor, expected: readonly (number | bigint)[]): void {
  assert.deepEqual(Array.from(actual.dataSync() as ArrayLike<number | bigint>), expected);
}

const longest = 2n ** 63n - 1n;

/** Elements of the first dtype, and what they become in the second. */
const conversions: readonly (readonly [
  DType,
  readonly (number | bigint)[],
  DType,
  readonly (number | bigint)[],
])[] = [
  ["float32", [1.9, -1.9, 300, -300, nan, inf, -inf], "int8", [1, -1, 127, -128, 0, 127, -128]],
  ["float32", [1.9, -1.9, 300, nan, inf, -inf], "uint8", [1, 0, 255, 0, 255, 0]],
  ["float64", [1.9, -1.9, 3e9, -3e9, nan, inf], "int32", [1, -1, 2147483647, -2147483648, 0, 2147483647]],
  ["float64", [1.9, -1.9, 1e19, -1e19, nan, inf], "int64", [1n, -1n, longest, -longest - 1n, 0n, longest]],
  ["float32", [0, -0, 0.1, nan, inf], "bool", [0, 0, 1, 1, 1]],
  ["int32", [300, -129, 255, -1], "int8", [44, 127, -1, -1]],
  ["int32", [300, -1, 256], "uint8", [44, 255, 0]],
  ["int64", [2n ** 32n + 5n, -(2n ** 31n) - 1n, -1n], "int32", [5, 2147483647, -1]],
  ["int64", [2n ** 40n + 7n, -1n], "uint8", [7, 255]],
  ["uint8", [200, 255], "int8", [-56, -1]],
  ["int32", [-1, 2147483647], "int64", [-1n, 2147483647n]],
  ["bool", [0, 1], "float32", [0, 1]],
  ["bool", [0, 1], "int64", [0n, 1n]],
  ["float64", [1 + 2 ** -24, 1 + 3 * 2 ** -24, 1e39], "float32", [1, 1 + 2 ** -22, inf]],
  ["float32", [65519, 65520, 2 ** -25, 2 ** -24], "float16", [65504, inf, 0, 2 ** -24]],
  ["float32", [1 + 2 ** -8, 1 + 3 * 2 ** -8], "bfloat16", [1, 1 + 2 ** -6]],
  ["int64", [2n ** 53n + 1n], "float64", [2 ** 53]],
];

/** An operation on rows, and its result. */
const results: readonly (readonly [string, () => Tensor, readonly (number | bigint)[]])[] = [
  ["int32 sums wrap", () => add(row([2147483647], "int32"), row([1], "int32")), [-2147483648]],
  ["int8 sums wrap", () => add(row([127, -128], "int8"), row([1, -1], "int8")), [-128, 127]],
  ["uint8 negation wraps", () => neg(row([1, 0], "uint8")), [255, 0]],
  ["the least int32 is its own absolute value", () => abs(row([-2147483648], "int32")), [-2147483648]],
  [
    "integer division truncates, and by 0 gives 0",
    () => div(row([7, -7, 5], "int32"), row([2, 2, 0], "int32")),
    [3, -3, 0],
  ],
  [
    "int64 division truncates, and by 0 gives 0",
    () => div(row([7n, -7n, 5n], "int64"), row([2n, 2n, 0n], "int64")),
    [3n, -3n, 0n],
  ],
  ["the least int32 by −1 wraps", () => div(row([-2147483648], "int32"), row([-1], "int32")), [-2147483648]],
  [
    "a remainder has the divisor's sign",
    () => remainder(row([7, -7, 7, -7, 5], "int32"), row([3, 3, -3, -3, 0], "int32")),
    [1, 2, -2, -1, 0],
  ],
  [
    "a float remainder by 0 is NaN, by infinity keeps the sign rule",
    () => remainder(row([1, -1, 1, -1], "float64"), row([0, 3, inf, inf], "float64")),
    [nan, 2, 1, inf],
  ],
  [
    "integer powers wrap, negative exponents truncate",
    () => pow(row([3, 2, -1, 0, 2], "int32"), row([4, 31, -3, 0, -1], "int32")),
    [81, -2147483648, -1, 1, 0],
  ],
  [
    "powers of one and to the zero are one",
    () => pow(row([1, nan, -1, 0, inf], "float64"), row([nan, 0, inf, 0, 0], "float64")),
    [1, 1, 1, 1, 1],
  ],
  [
    "a logical shift moves zeros in",
    () => shiftRightLogical(row([-1, -1, -1, 5], "int32"), row([28, 32, -1, 1], "int32")),
    [15, 0, 0, 2],
  ],
  [
    "a NaN is the maximum and the minimum",
    () =>
      add(
        maximum(row([nan, 1], "float32"), row([1, nan], "float32")),
        minimum(row([nan, 1], "float32"), row([1, nan], "float32")),
      ),
    [nan, nan],
  ],
  [
    "the sign of NaN is NaN, of zeros themselves",
    () => sign(row([nan, 0, -0, -3, inf], "float32")),
    [nan, 0, -0, -1, 1],
  ],
  [
    "rounding goes to the even neighbour",
    () => round(row([0.5, 1.5, 2.5, -0.5, -1.5], "float32")),
    [0, 2, 2, -0, -2],
  ],
  [
    "the exponential reaches both ends",
    () => exp(row([-inf, inf, 1000, -1000, nan], "float32")),
    [0, inf, inf, 0, nan],
  ],
  ["a sum of nothing is 0", () => reduceSum(tensorOf([], [2, 0], "float32"), { axes: [1] }), [0, 0]],
  ["a product of nothing is 1", () => reduceProd(tensorOf([], [0, 2], "int64"), { axes: [0] }), [1n, 1n]],
  ["int8 sums over an axis wrap", () => reduceSum(row([100, 100, 100], "int8"), { axes: [0] }), [44]],
  ["a maximum with a NaN is NaN", () => reduceMax(row([1, nan, 3], "float32"), { axes: [0] }), [nan]],
  ["a minimum with a NaN is NaN", () => reduceMin(row([nan, 1], "float64"), { axes: [0] }), [nan]],
  ["the maximum of bools is whether any holds", () => reduceMax(row([0, 1, 0], "bool"), { axes: [0] }), [1]],
  ["the minimum of bools is whether all hold", () => reduceMin(row([1, 1, 0], "bool"), { axes: [0] }), [0]],
  ["argMax takes the first of equals", () => argMax(row([1, 3, 3], "int32"), { axis: 0 }), [1]],
  ["argMin takes the first of equals", () => argMin(row([3, 1, 1], "int64"), { axis: 0 }), [1]],
  ["argMax takes the first NaN", () => argMax(row([5, nan, 7, nan], "float32"), { axis: 0 }), [1]],
  ["argMin takes the first NaN", () => argMin(row([5, 1, nan], "float32"), { axis: 0 }), [2]],
  [
    "an index that comes twice adds twice",
    () => scatterAdd(row([1, 2, 4], "float32"), row([1, 1, 0], "int32"), { axis: 0, batchAxes: 0, size: 3 }),
    [4, 3, 0],
  ],
  [
    "gathering nothing gives nothing",
    () => gather(row([1, 2], "float32"), tensorOf([], [0], "int32"), { axis: 0, batchAxes: 0 }),
    [],
  ],
  [
    "a window with a NaN has the maximum NaN, and padding never wins",
    () =>
      maxPool2d(tensorOf([-5, nan, -3, -4], [1, 2, 2, 1], "float32"), {
        window: [1, 2],
        strides: [1, 2],
        padding: [0, 0, 1, 1],
      }),
    [-5, nan, -3, -4],
  ],
];

for (const backend of testedBackends) {
  describe(`special values on ${backend}`, () => {
    for (const [from, values, to, expected] of conversions) {
      test(`convert ${from} [${values}] to ${to}`, () =>
        onBackend(backend, () => assertElements(convert(row(values, from), { dtype: to }), expected)));
    }
    for (const [fact, compute, expected] of results) {
      test(fact, () => onBackend(backend, () => assertElements(compute(), expected)));
    }

    test("an index out of range is a ValueError with the index and the size", () => {
      onBackend(backend, () => {
        for (const index of [3, -1, 2147483647]) {
          assert.throws(
            () =>
              gather(row([1, 2, 3], "float32"), row([0, index], "int32"), {
                axis: 0,
                batchAxes: 0,
              }).dataSync(),
            (error: unknown) =>
              error instanceof ValueError &&
              error.message.includes(String(index)) &&
              /size 3/.test(error.message),
          );
          assert.throws(
            () =>
              scatterAdd(row([1], "float32"), row([index], "int32"), {
                axis: 0,
                batchAxes: 0,
                size: 3,
              }).dataSync(),
            ValueError,
          );
        }
      });
    });

    test("the extreme of nothing is a ShapeError", () => {
      onBackend(backend, () => {
        const empty = tensorOf([], [2, 0], "float32");
        assert.throws(() => reduceMax(empty, { axes: [1] }), ShapeError);
        assert.throws(() => argMin(empty, { axis: 1 }), ShapeError);
        assertElements(reduceMax(empty, { axes: [0] }), []);
      });
    });
  });
}
