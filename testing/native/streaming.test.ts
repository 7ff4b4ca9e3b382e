/**
 * Elementwise results and moved elements beyond the caches, and smaller ones that leave the program, which are written past the caches while
 * the next tile is computed: equal to what the same function gives for a part of the operands, whose results stay in the
 * caches.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { primitives } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

/** No tile divides them, and no row ends where a cache line does. */
const sizes = { "beyond the caches": 2703, "that leave the program": 1403 } as const;
const columns = 1001;
const part = 150;

interface Operands {
  readonly x: ng.Tensor;
  readonly y: ng.Tensor;
  /** One element for each row. */
  readonly column: ng.Tensor;
  /** One row, the same for all. */
  readonly row: ng.Tensor;
}

const functions: { readonly [name: string]: (operands: Operands) => ng.Tensor[] } = {
  "one operation": ({ x, y }) => [x.add(y)],
  // Rows begin where no cache line does.
  "one operation with an element for each row": ({ x, column }) => [x.div(column)],
  "one operation with an element for all": ({ x }) => [ng.maximum(0.25, x)],
  "one operation of one operand": ({ x }) => [x.abs()],
  "one rounding": ({ x }) => [ng.floor(x)],
  "a selection of float64": ({ x, column }) => [ng.where(column.less(0), x.astype("float64"), 0.5)],
  "a selection": ({ x, y, column }) => [ng.where(column.less(0), x, y)],
  "a product and a difference": ({ x, y, row }) => [row.sub(x.mul(y))],
  "one operation on float64": ({ x, y }) => [x.astype("float64").sub(y.astype("float64"))],
  "a chain": ({ x, y }) => [x.mul(0.5).mul(y.sub(x).tanh().add(1))],
  "a result that is part of another": ({ x, y }) => {
    const sum = x.add(y);
    return [sum, sum.mul(x).exp()];
  },
  "results of several widths": ({ x, y }) => {
    const sum = x.mul(y).add(1);
    return [sum.astype("float64"), sum.astype("bfloat16"), sum.astype("int32"), sum.less(1), sum];
  },
  "operands that vary along one axis": ({ x, row, column }) => [x.mul(row).add(column)],
  "rows shorter than a tile": ({ x, row }) => [
    x
      .reshape([-1, 77])
      .mul(row.slice([0, 77]))
      .reshape(x.shape),
  ],
  "one operation with rows shorter than a tile": ({ x, row }) => [
    x
      .reshape([-1, 77])
      .add(row.slice([0, 77]))
      .reshape(x.shape),
  ],
  "one operation of narrow elements": ({ x, y }) => [
    x.astype("bfloat16").astype("float32"),
    ng.logicalOr(x.greater(0), y.greater(0)),
    x.astype("int8"),
  ],
  "elements that only move": ({ x, y }) => [
    ng.concat([x, y], { axis: 1 }),
    ng.pad(x, [
      [0, 0],
      [3, 2],
    ]),
    x.reshape([-1, 7, 11, 13]).transpose([0, 2, 1, 3]),
    x.slice(null, [1, columns]),
    ng.flip(x, [1]),
  ],
};

describe("results", { skip }, () => {
  const draw = (seed: number, shape: readonly number[]) =>
    onBackend("native", () => ng.random.normal(ng.random.key(seed), shape));

  for (const [size, rows] of Object.entries(sizes)) {
    for (const [name, f] of Object.entries(functions)) {
      test(`${size}: ${name}, like those of a part`, () =>
        onBackend("native", () => {
          const whole = {
            x: draw(1, [rows, columns]),
            y: draw(2, [rows, columns]),
            column: draw(3, [rows, 1]),
            row: draw(4, [columns]),
          };
          const results = ng.jit(f)(whole);
          for (const first of [0, 301, rows - part]) {
            const cut = (t: ng.Tensor) => t.slice([first, first + part]);
            const { x, y, column, row } = whole;
            const expected = ng.jit(f)({ x: cut(x), y: cut(y), column: cut(column), row });
            results.forEach((result, i) => {
              assert.deepEqual(
                cut(result).dataSync(),
                expected[i]?.dataSync(),
                `rows from ${first}, result ${i}`,
              );
            });
          }
        }));
    }
  }

  test("that overwrite a donated operand are those that fresh memory gets", () =>
    onBackend("native", () => {
      const shape = [sizes["that leave the program"], columns];
      const f = (x: ng.Tensor, y: ng.Tensor) => x.mul(y).add(x);
      const [x, y] = [draw(1, shape), draw(2, shape)];
      const fresh = ng.jit(f)(x, y).dataSync().slice();
      assert.deepEqual(ng.jit(f, { donate: 0 })(x, y).dataSync(), fresh);
    }));
});

/** Operations of one operand, by name. */
const unary = primitives().filter(
  ({ scalar, dtypes, samples }) =>
    scalar && dtypes.includes("float32") && samples().every(({ inputs }) => inputs.length === 1),
);

describe("the bits of an element", { skip }, () => {
  const size = 1_500_007;
  // Neither is a multiple of the other, and no vector divides both: ends of pieces fall into the middle of vectors and of threads' shares.
  const piece = 9_999;
  const values = Float32Array.from({ length: size }, (_, i) => 1.6 + 2.4 * Math.sin(i * i));

  for (const op of unary) {
    test(`are those of ${op.name}, wherever it lies`, () =>
      onBackend("native", () => {
        const apply = op as unknown as (x: ng.Tensor) => ng.Tensor;
        const bits = (x: Float32Array): Int32Array => {
          const result = apply(ng.tensor(x)).astype("float32").dataSync();
          return new Int32Array(result.buffer, result.byteOffset, result.length);
        };
        const whole = bits(values);
        for (let begin = 0; begin < size; begin += piece) {
          const expected = whole.subarray(begin, begin + piece);
          assert.deepEqual(bits(values.slice(begin, begin + piece)), expected, `from ${begin} on`);
        }
      }));
  }
});
