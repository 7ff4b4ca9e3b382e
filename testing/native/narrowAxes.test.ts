/**
 * Axes of a few elements beside long ones: rows that fill no vector, and columns of which several fill one. The reference
 * backend says what is right.
 */
import { describe, test } from "node:test";
import { adoptStorage, ConcreteTensor, type DType } from "nagare/backend";
import { check } from "./checkOperation.ts";
import { randomTensor, seeded } from "./tensors.ts";

const kinds: readonly DType[] = ["uint8", "bfloat16", "int32", "float32", "float64"];
const widths = [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32];

describe("reductions of narrow axes", () => {
  const random = seeded(11);
  for (const dtype of kinds) {
    test(`short rows and narrow columns of ${dtype}`, () => {
      for (const width of widths) {
        const x = randomTensor(random, [211, width], dtype, -3, 3);
        for (const axis of [0, 1]) {
          check("reduceSum", [x], { axes: [axis] }, 1e-5);
          check("reduceMax", [x], { axes: [axis] });
          for (const name of ["argMax", "argMin"]) check(name, [x], { axis });
        }
      }
    });
  }

  /** Mostly equal elements, some better ones, now and then NaN. */
  function withTies(shape: readonly number[], nan: number): ConcreteTensor {
    const size = shape.reduce((a, b) => a * b, 1);
    const elements = Float32Array.from({ length: size }, () => {
      const drawn = random();
      if (drawn < nan) return Number.NaN;
      return drawn > 0.9999 ? 2 : drawn > 0.3 ? 0 : -2;
    });
    return new ConcreteTensor(shape, "float32", adoptStorage(elements));
  }
  for (const nan of [0, 1e-5, 1e-3]) {
    test(`positions on axes that are cut into chunks, where ${nan} of the elements are NaN`, () => {
      for (const [shape, axis] of [
        [[150_000], 0],
        [[3, 70_001], 1],
        [[40_001, 2], 0],
        [[40_001, 15], 0],
        [[2, 9001, 20], 1],
        [[300, 1100], 0],
      ] as const) {
        for (const name of ["argMax", "argMin"]) check(name, [withTies(shape, nan)], { axis });
        for (const name of ["reduceMax", "reduceMin"]) check(name, [withTies(shape, nan)], { axes: [axis] });
      }
    });
  }
});

describe("extremes of floats", () => {
  const random = seeded(13);
  for (const dtype of ["float32", "float64"] as const) {
    test(`of ${dtype} with infinities and NaN in every place`, () => {
      for (const length of [16, 33, 64, 129, 200]) {
        const shape = [length, length];
        const x = randomTensor(random, shape, dtype, -9, 9).dataSync() as Float32Array;
        for (const special of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
          const rows = x.slice();
          for (let i = 0; i < length; i++) rows[i * length + i] = special;
          for (const elements of [rows, x.slice().fill(special)]) {
            const tensor = new ConcreteTensor(shape, dtype, adoptStorage(elements));
            for (const name of ["reduceMax", "reduceMin"]) check(name, [tensor], { axes: [1] });
          }
        }
      }
    });
  }
});

describe("many additions to few rows", () => {
  const random = seeded(14);
  for (const dtype of ["uint8", "int32", "int64", "float32", "float64"] as const) {
    test(`of ${dtype}`, () => {
      for (const [batch, size, width, count] of [
        [1, 3, 1, 40_001],
        [1, 1000, 1, 33_000],
        [1, 7, 19, 5000],
        [1, 50, 64, 900],
        [2, 5, 3, 12_001],
        [3, 2, 8, 9000],
      ] as const) {
        const updates = randomTensor(random, [batch, count, width], dtype, 0, 1);
        const rows = randomTensor(random, [batch, count], "int32", 0, size - 1);
        check("scatterAdd", [updates, rows], { axis: 1, batchAxes: 1, size }, 1e-3);
      }
    });
  }
});

describe("windows that step by one column", () => {
  const random = seeded(15);
  for (const dtype of ["float32", "float64"] as const) {
    test(`of ${dtype}`, () => {
      for (const channels of [1, 3, 5, 16, 24]) {
        for (const [size, window, padding] of [
          [
            [9, 11],
            [3, 3],
            [1, 1, 1, 1],
          ],
          [
            [9, 11],
            [2, 5],
            [0, 0, 0, 0],
          ],
          [
            [5, 3],
            [3, 2],
            [2, 0, 1, 3],
          ],
          [
            [3, 2],
            [3, 3],
            [1, 1, 1, 1],
          ],
          [
            [4, 40],
            [1, 4],
            [0, 2, 3, 0],
          ],
        ] as const) {
          const x = randomTensor(random, [2, ...size, channels], dtype, -9, 9);
          for (const strides of [
            [1, 1],
            [2, 1],
          ]) {
            const params = { window, strides, padding };
            check("maxPool2d", [x], params);
            const dx = randomTensor(random, [2, ...size, channels], dtype, -1, 1);
            check("maxPool2dSelect", [dx, x], params);
            const [top, bottom, left, right] = padding;
            const windows = [
              Math.floor((size[0] + top + bottom - window[0]) / (strides[0] ?? 1)) + 1,
              size[1] + left + right - window[1] + 1,
            ];
            const ct = randomTensor(random, [2, ...windows, channels], dtype, -1, 1);
            check("maxPool2dScatter", [ct, x], params, 1e-6);
            for (const countPadding of [false, true]) {
              check("avgPool2d", [x], { ...params, countPadding }, 1e-5);
              check("avgPool2dGrad", [ct], { ...params, countPadding, inputShape: x.shape }, 1e-5);
            }
          }
        }
      }
    });
  }
});

describe("moves of narrow axes", () => {
  const random = seeded(12);
  for (const dtype of ["int8", "float16", "float32", "float64"] as const) {
    test(`of ${dtype}`, () => {
      for (const width of widths) {
        const x = randomTensor(random, [3, 701, width], dtype, -100, 100);
        for (const permutation of [
          [0, 2, 1],
          [2, 0, 1],
          [2, 1, 0],
        ])
          check("transpose", [x], { permutation });
        check("transpose", [randomTensor(random, [3, width, 701], dtype, -9, 9)], { permutation: [0, 2, 1] });
        check("broadcastTo", [randomTensor(random, [3, 701, 1], dtype, -9, 9)], { shape: [3, 701, width] });
        check("slice", [x], { starts: [0, 1, 0], limits: [3, 700, 1], strides: [1, 2, 1] });
        // Rows read backwards, and some of them, whose last one ends where memory does.
        check("flip", [x], { axes: [1] });
        check("slice", [x], { starts: [0, 0, 0], limits: [3, 701, width], strides: [1, 2, 1] });
        // Rows side by side, none of which may reach into what is beside it.
        check("concat", [x, randomTensor(random, [3, 701, 6], dtype, -9, 9), x], { axis: 2 });
        const rows = randomTensor(random, [901], "int32", 0, 700);
        check("gather", [x, rows], { axis: 1, batchAxes: 0 });
        check(
          "scatterAdd",
          [randomTensor(random, [901, width], dtype, 0, 1), rows],
          { axis: 0, batchAxes: 0, size: 701 },
          2e-2,
        );
      }
      // Blocks of squares, and what is left of them.
      check("transpose", [randomTensor(random, [2, 133, 198], dtype, -9, 9)], { permutation: [0, 2, 1] });
      const line = randomTensor(random, [4099], dtype, -9, 9);
      // Results that begin where no vector does.
      check("concat", [randomTensor(random, [3], dtype, -9, 9), line], { axis: 0 });
      for (const stride of [2, 3, 4, 5])
        check("slice", [line], { starts: [1], limits: [4098], strides: [stride] });
    });
  }
});

test("operands that are the same along a narrow axis", () => {
  const random = seeded(13);
  for (const dtype of kinds) {
    for (const width of widths) {
      const x = randomTensor(random, [5, 67, width], dtype, -9, 9);
      for (const shape of [
        [67, 1],
        [5, 1, 1],
        [5, 67, 1],
      ])
        check("add", [x, randomTensor(random, shape, dtype, -9, 9)], {});
    }
  }
});

test("windows over images of any number of channels", () => {
  const random = seeded(14);
  for (const dtype of ["float32", "float64"] as const) {
    for (const channels of [1, 2, 3, 6, 7, 15, 24, 31, 41, 72]) {
      const params = { window: [3, 2], strides: [1, 2], padding: [1, 0, 0, 1] };
      const [x, ct] = [
        [2, 9, 8, channels],
        [2, 8, 4, channels],
      ].map((shape) => randomTensor(random, shape, dtype, -1, 1)) as [ConcreteTensor, ConcreteTensor];
      check("maxPool2d", [x], params);
      check("maxPool2dSelect", [x, x], params);
      check("maxPool2dScatter", [ct, x], params, 1e-6);
      check("avgPool2d", [x], { ...params, countPadding: false }, 1e-6);
      check("avgPool2dGrad", [ct], { ...params, countPadding: true, inputShape: [2, 9, 8, channels] }, 1e-6);
    }
  }
});

test("products of few rows with a few columns", () => {
  const random = seeded(15);
  for (const dtype of ["float32", "float64"] as const) {
    for (const rows of [1, 2, 3, 4, 7]) {
      for (const columns of widths) {
        const a = randomTensor(random, [rows, 301], dtype, -1, 1);
        check("matmul", [a, randomTensor(random, [301, columns], dtype, -1, 1)], {}, 2e-5);
      }
    }
  }
});
