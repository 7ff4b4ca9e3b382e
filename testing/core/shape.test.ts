import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  broadcastAxes,
  broadcastShapes,
  checkShape,
  dim,
  formatShape,
  mulDims,
  normalizeAxes,
  normalizeAxis,
  resolveReshape,
  rowMajorStrides,
  type Shape,
  ShapeError,
  sizeOf,
} from "nagare/backend";
import { assertProperty } from "../property.ts";

const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

/** NumPy's rule, axis by axis from the back. */
function broadcastModel(shapes: readonly (readonly number[])[]): number[] | undefined {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const result: number[] = [];
  for (let axis = 1; axis <= rank; axis++) {
    const sizes = new Set(shapes.map((s) => s[s.length - axis] ?? 1));
    sizes.delete(1);
    if (sizes.size > 1) return undefined;
    result.unshift([...sizes][0] ?? 1);
  }
  return result;
}

describe("broadcasting", () => {
  test("shapes broadcast as NumPy's do, or are refused with all of them named", () => {
    assertProperty(
      fc.property(fc.array(shape, { minLength: 1, maxLength: 3 }), (shapes) => {
        const expected = broadcastModel(shapes);
        if (expected) assert.deepEqual([...broadcastShapes(shapes, "add")], expected);
        else
          assert.throws(
            () => broadcastShapes(shapes, "add"),
            (error: unknown) => {
              return (
                error instanceof ShapeError && shapes.every((s) => error.message.includes(formatShape(s)))
              );
            },
          );
      }),
      1000,
    );
  });

  test("a symbol meets itself and 1, and nothing else", () => {
    const batch = dim("batch");
    assert.deepEqual(broadcastShapes([[batch, 1], [3]], "add"), [batch, 3]);
    assert.deepEqual(broadcastShapes([[batch], [batch]], "add"), [batch]);
    assert.throws(() => broadcastShapes([[batch], [2]], "add"), ShapeError);
    assert.throws(() => broadcastShapes([[batch], [dim("n")]], "add"), ShapeError);
  });

  test("the stretched and added axes account for the whole difference", () => {
    assertProperty(
      fc.property(shape, shape, (a, b) => {
        const to = broadcastModel([a, b]);
        if (!to) return;
        const { added, stretched } = broadcastAxes(a, to);
        assert.equal(added, to.length - a.length);
        const kept = to.map((size, i) => (i < added ? "new" : stretched.includes(i) ? 1 : size)).slice(added);
        assert.deepEqual(kept, a);
      }),
      500,
    );
  });
});

describe("reshape", () => {
  test("-1 takes what is left, for every way to split a size", () => {
    assertProperty(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        (to, at) => {
          const hole = at % to.length;
          const total = to.reduce((a, b) => a * b, 1);
          assert.deepEqual(resolveReshape([total], to.with(hole, -1), "reshape"), to);
        },
      ),
    );
  });

  test("a size that does not come out even is refused with both shapes", () => {
    for (const [from, to] of [
      [[6], [4, -1]],
      [[6], [5]],
      [
        [2, 3],
        [7, 1],
      ],
      [[5], [0, -1]],
    ] as const) {
      assert.throws(
        () => resolveReshape(from, to, "reshape"),
        (error: unknown) => {
          return (
            error instanceof ShapeError &&
            error.message.includes(formatShape(from)) &&
            error.message.includes(formatShape(to))
          );
        },
      );
    }
  });

  test("two -1, negative sizes and fractions are refused", () => {
    for (const to of [[-1, -1], [-2, 3], [1.5, 4], [Number.NaN]]) {
      assert.throws(() => resolveReshape([6], to, "reshape"), ShapeError, String(to));
    }
  });

  test("a symbolic size divides out", () => {
    const batch = dim("batch");
    const from: Shape = [batch, 28, 28, 1];
    assert.deepEqual(resolveReshape(from, [batch, -1], "reshape"), [batch, 784]);
    assert.deepEqual(resolveReshape(from, [-1, 784], "reshape"), [batch, 784]);
    assert.deepEqual(resolveReshape(from, [-1], "reshape"), [mulDims(batch, 784)]);
    assert.throws(() => resolveReshape(from, [-1, 5], "reshape"), ShapeError);
  });

  test("an empty tensor keeps its zero", () => {
    assert.deepEqual(resolveReshape([0, 3], [3, 0], "reshape"), [3, 0]);
    assert.deepEqual(resolveReshape([0, 3], [-1, 3], "reshape"), [0, 3]);
  });
});

describe("axes and strides", () => {
  test("negative axes count from the back", () => {
    assertProperty(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: -8, max: 8 }), (rank, axis) => {
        if (axis >= -rank && axis < rank)
          assert.equal(normalizeAxis(axis, rank, "sum"), axis < 0 ? axis + rank : axis);
        else assert.throws(() => normalizeAxis(axis, rank, "sum"), ShapeError);
      }),
    );
  });

  test("axes are sorted, and one named twice is refused", () => {
    assert.deepEqual(normalizeAxes([-1, 0], 3, "sum"), [0, 2]);
    assert.throws(() => normalizeAxes([0, -3], 3, "sum"), ShapeError);
  });

  test("strides step through a tensor in order", () => {
    assertProperty(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }), (sizes) => {
        const strides = rowMajorStrides(sizes);
        let expected = 0;
        const walk = (axis: number, offset: number): void => {
          if (axis === sizes.length) assert.equal(offset, expected++);
          else for (let i = 0; i < (sizes[axis] ?? 0); i++) walk(axis + 1, offset + i * (strides[axis] ?? 0));
        };
        walk(0, 0);
        assert.equal(expected, sizeOf(sizes));
      }),
    );
  });

  test("sizes are whole numbers from 0 up, or symbols", () => {
    assert.deepEqual(checkShape([0, 3, dim("n")], "full"), [0, 3, dim("n")]);
    for (const bad of [[-1], [0.5], [Number.NaN], [Number.POSITIVE_INFINITY], [2 ** 53]]) {
      assert.throws(() => checkShape(bad, "full"), ShapeError);
    }
  });
});
