/**
 * The engine's loops beyond the generated tests' small samples: whole and cut tiles, rows shared between tasks, chunks
 * of long sums, every kind of stride. The reference backend says what is right.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  adoptStorage,
  ConcreteTensor,
  concreteShape,
  type DType,
  isFloat,
  primitiveByName,
} from "nagare/backend";
import "nagare";
import { check, run } from "./checkOperation.ts";
import { finishedProducts } from "./largeCases.ts";
import { compareTensors, type Random, randomTensor, seeded } from "./tensors.ts";

const kinds: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "bfloat16",
  "int8",
  "uint8",
  "int32",
  "int64",
];

describe("elementwise operations on large shapes", () => {
  const shapes: readonly (readonly (readonly number[])[])[] = [
    [[5000], [5000]],
    [[5000], []],
    [[], [700]],
    [
      [7, 300],
      [7, 300],
    ],
    [[7, 300], [300]],
    [
      [7, 300],
      [7, 1],
    ],
    [[40, 1000], [1000]],
    [
      [40, 1000],
      [40, 1],
    ],
    [[300, 10], [10]],
    [
      [300, 10],
      [300, 1],
    ],
    [
      [30, 5, 32],
      [5, 1],
    ],
    [
      [30, 5, 32],
      [30, 1, 32],
    ],
    [
      [3, 1, 4, 1, 100],
      [2, 1, 7, 1],
    ],
    [
      [1, 700],
      [9, 1],
    ],
    [
      [1, 30],
      [90, 1],
    ],
    [[513], [513]],
  ];
  for (const dtype of kinds) {
    test(`broadcasts of ${dtype}`, () => {
      const random = seeded(1);
      for (const [a = [], b = []] of shapes) {
        const [x, y] = [randomTensor(random, a, dtype, -5, 5), randomTensor(random, b, dtype, 1, 5)];
        for (const name of ["add", "mul", "maximum", "less", "div"]) check(name, [x, y], {}, 2e-7);
        const condition = randomTensor(random, b, "bool", 0, 2);
        check("select", [condition, x, randomTensor(random, [], dtype, -5, 5)], {});
        check("neg", [x], {});
      }
    });
  }
  test("remainders of numbers of any ratio, and of those that have none", () => {
    const random = seeded(9);
    const values = [
      0,
      -0,
      1,
      -1,
      0.5,
      3,
      -3,
      7.25,
      1e-40,
      -1e-30,
      1e9,
      -3e38,
      2 ** 28,
      Number.NaN,
      Infinity,
      -Infinity,
    ];
    const drawn = (likely: number) =>
      Float32Array.from({ length: 3001 }, () =>
        random() < likely
          ? (random() - 0.5) * 2 ** (random() * 20)
          : (values[Math.floor(random() * values.length)] ?? 0),
      );
    for (const likely of [0, 0.9, 1]) {
      const operands = [drawn(likely), drawn(likely)];
      check(
        "remainder",
        operands.map((x) => new ConcreteTensor([3001], "float32", adoptStorage(x))),
        {},
      );
    }
    const whole = [0, 1, -1, 2, -7, 2 ** 31 - 1, -(2 ** 31)];
    const integers = () =>
      Int32Array.from({ length: 3001 }, () =>
        random() < 0.5 ? random() * 2 ** 32 : (whole[Math.floor(random() * whole.length)] ?? 0),
      );
    const operands = [integers(), integers()];
    check(
      "remainder",
      operands.map((x) => new ConcreteTensor([3001], "int32", adoptStorage(x))),
      {},
    );
  });
  test("conversions between all dtypes", () => {
    const random = seeded(2);
    for (const from of [...kinds, "bool"] as const) {
      for (const to of [...kinds, "bool"] as const) {
        check("convert", [randomTensor(random, [3, 411], from, -400, 400)], { dtype: to }, 1e-7);
      }
    }
  });
});

describe("reductions of large shapes", () => {
  const cases: readonly (readonly [shape: readonly number[], axes: readonly number[]])[] = [
    [[100_000], [0]],
    [[3, 70_000], [1]],
    [[500, 100], [1]],
    [[100, 500], [0]],
    [[3001, 10], [1]],
    [[131, 32], [1]],
    [[70, 1], [1]],
    [[5000, 3], [0]],
    [[70_000, 3], [0]],
    [[4, 900, 20], [1]],
    [[2, 40, 1500], [1]],
    [[200, 1030], [0]],
    [
      [6, 7, 8, 9],
      [0, 1, 2],
    ],
    [
      [6, 7, 8, 9],
      [0, 2],
    ],
    [
      [6, 7, 8, 9],
      [1, 3],
    ],
    [
      [6, 1, 8, 1],
      [1, 2, 3],
    ],
    [
      [1, 7, 1, 9],
      [0, 3],
    ],
    [[5, 2049], [1]],
  ];
  for (const dtype of kinds) {
    test(`of ${dtype}`, () => {
      const random: Random = seeded(3);
      for (const [shape, axes] of cases) {
        const x = randomTensor(random, shape, dtype, -3, 3);
        check("reduceSum", [x], { axes }, 1e-5);
        check("reduceMax", [x], { axes });
        check("reduceMin", [x], { axes });
        check(
          "reduceProd",
          [randomTensor(random, shape, dtype, isFloat(dtype) ? 0.999 : -2, isFloat(dtype) ? 1.001 : 2)],
          { axes },
          1e-3,
        );
        if (axes.length === 1) {
          check("argMax", [x], { axis: axes[0] ?? 0 });
          check("argMin", [x], { axis: axes[0] ?? 0 });
        }
      }
    });
  }
  for (const dtype of ["float32", "float64"] as const) {
    test(`the first of equal ones, or the first NaN, in short rows and columns of ${dtype}`, () => {
      const values = [Number.NaN, -1, 0, 0, 1, 1, 1, 2];
      const random = seeded(6);
      for (const shape of [
        [201, 9],
        [9, 201],
        [130, 31],
      ]) {
        const size = (shape[0] ?? 0) * (shape[1] ?? 0);
        const drawn = Array.from({ length: size }, () => values[Math.floor(random() * values.length)] ?? 0);
        const elements = dtype === "float32" ? Float32Array.from(drawn) : Float64Array.from(drawn);
        const x = new ConcreteTensor(shape, dtype, adoptStorage(elements));
        for (const axis of [0, 1]) {
          for (const name of ["argMax", "argMin"]) check(name, [x], { axis });
          for (const name of ["reduceMax", "reduceMin"]) check(name, [x], { axes: [axis] });
        }
      }
    });
  }
  test("any and all over bools", () => {
    const x = randomTensor(seeded(4), [300, 77], "bool", 0, 2);
    for (const axes of [[0], [1], [0, 1]])
      for (const name of ["reduceMax", "reduceMin"]) check(name, [x], { axes });
  });
});

describe("moves of large shapes", () => {
  const random = seeded(5);
  for (const dtype of ["int8", "float16", "float32", "float64"] as const) {
    test(`transpose, slice, flip, pad, concat, broadcast of ${dtype}`, () => {
      const x = randomTensor(random, [37, 45, 21], dtype, -100, 100);
      for (const permutation of [
        [0, 2, 1],
        [1, 0, 2],
        [2, 1, 0],
        [1, 2, 0],
        [2, 0, 1],
      ])
        check("transpose", [x], { permutation });
      check("transpose", [randomTensor(random, [333, 257], dtype, -9, 9)], { permutation: [1, 0] });
      check("transpose", [randomTensor(random, [5, 6, 7, 8, 9], dtype, -9, 9)], {
        permutation: [3, 0, 4, 2, 1],
      });
      check("slice", [x], { starts: [3, 2, 1], limits: [36, 45, 20], strides: [2, 1, 3] });
      check("slice", [x], { starts: [3, 0, 0], limits: [30, 45, 21], strides: [1, 1, 1] });
      for (const axes of [[0], [1], [2], [0, 2], [0, 1, 2]]) check("flip", [x], { axes });
      check("pad", [x], { low: [1, 0, 2], high: [0, 3, 1], interior: [0, 1, 2], value: 3 });
      check("concat", [x, randomTensor(random, [37, 2, 21], dtype, -9, 9), x], { axis: 1 });
      check("broadcastTo", [randomTensor(random, [45, 1], dtype, -9, 9)], { shape: [30, 45, 60] });
      check("broadcastTo", [randomTensor(random, [60], dtype, -9, 9)], { shape: [30, 45, 60] });
    });
  }
  for (const dtype of ["uint8", "float16", "float32", "int64"] as const) {
    test(`gather and scatterAdd of ${dtype}`, () => {
      for (const index of ["int32", "int64"] as const) {
        const x = randomTensor(random, [60, 300], dtype, -9, 9);
        const rows = randomTensor(random, [500], index, 0, 59);
        check("gather", [x, rows], { axis: 0, batchAxes: 0 });
        check("gather", [x, rows], { axis: 1, batchAxes: 0 });
        check(
          "scatterAdd",
          [randomTensor(random, [500, 300], dtype, -3, 3), rows],
          { axis: 0, batchAxes: 0, size: 60 },
          2e-2,
        );
        check(
          "scatterAdd",
          [randomTensor(random, [4, 500], dtype, -3, 3), rows],
          { axis: 1, batchAxes: 0, size: 60 },
          2e-2,
        );
        // Threads divide the rows, which are no multiple of their number.
        const many = randomTensor(random, [1801], index, 0, 76);
        check(
          "scatterAdd",
          [randomTensor(random, [1801, 37], dtype, -3, 3), many],
          { axis: 0, batchAxes: 0, size: 77 },
          2e-2,
        );
        const each = randomTensor(random, [60, 7], index, 0, 299);
        check("gather", [x, each], { axis: 1, batchAxes: 1 });
      }
    });
  }
  test("random bits over several tasks", () => {
    for (const [keys, count] of [
      [1, 40_001],
      [3, 17],
      [5, 4096],
      [2, 1],
    ] as const) {
      const key = randomTensor(random, [keys, 2], "int32", -2e9, 2e9);
      check("randomBits", [key], { shape: [count] });
    }
  });
  test("iota and full", () => {
    for (const dtype of kinds) {
      for (const axis of [0, 1, 2]) check("iota", [], { shape: [20, 100, 30], dtype, axis });
      check("full", [], { shape: [50_000], dtype, value: 7 });
    }
  });
});

describe("products of matrices", () => {
  for (const dtype of kinds) {
    test(`of ${dtype}, stacked and broadcast`, () => {
      const random = seeded(6);
      const cases: readonly (readonly [readonly number[], readonly number[], boolean, boolean])[] = [
        [[70, 33], [33, 50], false, false],
        [[33, 70], [33, 50], true, false],
        [[5, 20, 30], [30, 17], false, false],
        [[5, 20, 30], [5, 17, 30], false, true],
        [[2, 1, 9, 8], [3, 8, 7], false, false],
        [[2, 1, 3, 9, 8], [4, 1, 8, 7], false, false],
        [[1, 30], [30, 1], false, false],
        // Where the last two panels of columns share what is left.
        [[37, 41], [41, 56], false, false],
        [[41, 38], [73, 41], true, true],
        [[39, 21], [21, 97], false, false],
        // Factors read where they lie, and not: small ones, ragged ones, one panel wide, transposed.
        [[40, 64], [64, 64], false, false],
        [[64, 40], [64, 64], true, false],
        [[300, 90], [90, 24], false, false],
        [[300, 90], [90, 23], false, false],
        [[9, 48, 32], [9, 48, 32], false, true],
        // So many tiny ones that threads share them, in all orders; one factor for all, and for some.
        [[1500, 3, 3], [1500, 3, 3], false, false],
        [[1500, 3, 4], [1500, 3, 4], false, true],
        [[900, 7, 5], [900, 7, 3], true, false],
        [[1100, 4, 4], [1100, 4, 4], true, true],
        [[1100, 6, 4], [6, 5], true, false],
        [[3, 1, 6, 2], [3, 700, 2, 2], false, false],
        [[70, 9, 16], [70, 16, 16], false, false],
        // A tall one beside a B in registers; a few columns that are too shallow for dot products.
        [[9000, 5], [5, 3], false, false],
        [[530, 29], [3, 29], false, true],
      ];
      for (const [a, b, transposeA, transposeB] of cases) {
        const limit = isFloat(dtype) ? 2 : 3;
        const operands = [
          randomTensor(random, a, dtype, -limit, limit),
          randomTensor(random, b, dtype, -limit, limit),
        ];
        check("matmul", operands, { transposeA, transposeB }, 2e-5);
      }
    });
  }
  for (const dtype of ["float32", "float64", "int32", "uint8"] as const) {
    test(`of ${dtype}, long sums: several depth blocks, and slices where there are few sums`, () => {
      const random = seeded(9);
      const cases: readonly (readonly [readonly number[], readonly number[], boolean, boolean])[] = [
        [[50, 900], [900, 60], false, false],
        [[16, 8200], [8200, 16], false, false],
        [[9000, 7], [9000, 30], true, false],
        [[1, 20000], [1, 20000], false, true],
        [[3, 2, 8192], [3, 3, 8192], false, true],
      ];
      for (const [a, b, transposeA, transposeB] of cases) {
        const operands = [randomTensor(random, a, dtype, 0, 2), randomTensor(random, b, dtype, 0, 2)];
        check("matmul", operands, { transposeA, transposeB }, 2e-5);
      }
    });
  }
});

test("products that a chain finishes are what the operations give one by one", () => {
  for (const { compiled, expected } of finishedProducts()) {
    compareTensors(compiled as ConcreteTensor, expected as ConcreteTensor, 1e-6, String(compiled.shape));
  }
});

test("an index out of range is an error that names it", () => {
  const x = randomTensor(seeded(7), [4, 2], "float32", 0, 1);
  const rows = randomTensor(seeded(8), [3], "int32", 9, 9);
  assert.throws(() => run(primitiveByName("gather"), [x, rows], { axis: 0, batchAxes: 0 }), {
    name: "ValueError",
    message: /gather: expected indices from 0 to 3 .* received 9/,
  });
  assert.deepEqual(concreteShape(x.shape), [4, 2]);
});
