import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import { add, less, matmul, mul, reduceMax, reduceSum, select, sub, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { tensorOf } from "../generator/draw.ts";
import { assertProperty } from "../property.ts";

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Two or three shapes that broadcast together, and what they broadcast to. */
const shapes = fc
  .tuple(
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }),
    fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 15 })), { minLength: 3, maxLength: 3 }),
  )
  .map(([full, cuts]) => ({
    full,
    // The first keeps every size; the others lose axes in front and shrink some to 1.
    operands: cuts.map(([missing, ones], k) =>
      k === 0
        ? full
        : full.slice(Math.min(missing, full.length)).map((size, i) => ((ones >> i) & 1 ? 1 : size)),
    ),
  }));

function elementAt(
  x: { shape: readonly number[]; values: readonly number[] },
  index: readonly number[],
): number {
  const added = index.length - x.shape.length;
  const flat = x.shape.reduce(
    (at, size, axis) => at * size + (size === 1 ? 0 : (index[axis + added] ?? 0)),
    0,
  );
  return x.values[flat] ?? Number.NaN;
}

function indices(shape: readonly number[]): number[][] {
  return Array.from({ length: product(shape) }, (_, flat) => {
    const index: number[] = [];
    for (const size of shape.toReversed()) {
      index.unshift(flat % size);
      flat = Math.floor(flat / size);
    }
    return index;
  });
}

function assertElements(actual: Tensor, shape: readonly number[], expected: readonly number[]): void {
  assert.deepEqual([...actual.shape], [...shape]);
  assert.deepEqual(Array.from(actual.dataSync() as Int32Array), expected);
}

for (const backend of testedBackends) {
  describe(`broadcasting on ${backend}`, () => {
    test("elementwise operations read each operand at its own index", () => {
      assertProperty(
        fc.property(shapes, ({ full, operands }) => {
          const [a, b, c] = operands.map((shape, k) => ({
            shape,
            values: Array.from({ length: product(shape) }, (_, i) => ((i * 7 + k * 3) % 11) - 5),
          }));
          if (!a || !b || !c) return;
          const f = (x: Tensor, y: Tensor, z: Tensor): Tensor =>
            select(less(x, y), add(x, z), sub(mul(y, z), 3));
          const expected = indices(full).map((index) => {
            const [x, y, z] = [elementAt(a, index), elementAt(b, index), elementAt(c, index)];
            return (x < y ? x + z : y * z - 3) + 0;
          });
          const [x, y, z] = [a, b, c].map(({ values, shape }) => tensorOf(values, shape, "int32"));
          if (!x || !y || !z) return;
          onBackend(backend, () => {
            assertElements(f(x, y, z), full, expected);
            assertElements(ng.jit(f)(x, y, z), full, expected);
          });
        }),
        300,
      );
    });

    test("reductions fold what their axes say", () => {
      assertProperty(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
          fc.nat({ max: 15 }),
          (shape, bits) => {
            const values = Array.from({ length: product(shape) }, (_, i) => ((i * 7) % 13) - 6);
            const axes = shape.map((_, i) => i).filter((i) => (bits >> i) & 1);
            const kept = shape.filter((_, i) => !axes.includes(i));
            const groups = indices(kept).map((outer) =>
              indices(shape)
                .filter((index) => index.filter((_, i) => !axes.includes(i)).every((k, i) => k === outer[i]))
                .map((index) => elementAt({ shape, values }, index)),
            );
            const x = tensorOf(values, shape, "int32");
            onBackend(backend, () => {
              assertElements(
                reduceSum(x, { axes }),
                kept,
                groups.map((group) => group.reduce((s, v) => s + v, 0)),
              );
              assertElements(
                reduceMax(x, { axes }),
                kept,
                groups.map((group) => Math.max(...group)),
              );
            });
          },
        ),
        200,
      );
    });

    test("matrix products sum rows times columns, for every flag and stack", () => {
      const size = fc.integer({ min: 0, max: 4 });
      assertProperty(
        fc.property(
          shapes,
          size,
          size,
          size,
          fc.boolean(),
          fc.boolean(),
          ({ full, operands }, m, k, n, transposeA, transposeB) => {
            const [stackA = [], stackB = []] = operands;
            const matrix = (stack: readonly number[], rows: number, columns: number, seed: number) => {
              const shape = [...stack, rows, columns];
              return {
                shape,
                values: Array.from({ length: product(shape) }, (_, i) => ((i * 5 + seed) % 9) - 4),
              };
            };
            const a = transposeA ? matrix(stackA, k, m, 1) : matrix(stackA, m, k, 1);
            const b = transposeB ? matrix(stackB, n, k, 2) : matrix(stackB, k, n, 2);
            const expected = indices([...full, m, n]).map((index) => {
              const [stack, row = 0, column = 0] = [index.slice(0, -2), ...index.slice(-2)];
              let sum = 0;
              for (let i = 0; i < k; i++) {
                const left = elementAt(a, [...stack, ...(transposeA ? [i, row] : [row, i])]);
                sum += left * elementAt(b, [...stack, ...(transposeB ? [column, i] : [i, column])]);
              }
              return sum + 0;
            });
            const [x, y] = [tensorOf(a.values, a.shape, "int32"), tensorOf(b.values, b.shape, "int32")];
            onBackend(backend, () =>
              assertElements(matmul(x, y, { transposeA, transposeB }), [...full, m, n], expected),
            );
          },
        ),
        300,
      );
    });
  });
}
