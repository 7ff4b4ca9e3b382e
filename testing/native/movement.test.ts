/** Movements at the edges of the engine's loops: parts of vectors and of squares, ends of memory, indices out of range. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { type CpuStorage, type DType, primitiveByName, writeElement } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { check, run } from "./checkOperation.ts";
import { randomTensor, seeded } from "./tensors.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

/** One for each size of an element. */
const dtypes: readonly DType[] = ["uint8", "bfloat16", "int32", "int64"];

type Sides = readonly (readonly [low: number, high: number])[];
const pads: readonly (readonly [shape: readonly number[], sides: Sides])[] = [
  [[], []],
  [[1], [[0, 0]]],
  [[1], [[3, 0]]],
  [[5], [[0, 70]]],
  [[70_001], [[1, 2]]],
  [
    [3, 5, 7, 3],
    [
      [0, 0],
      [2, 1],
      [1, 3],
      [0, 0],
    ],
  ],
  [
    [2, 9, 31, 4],
    [
      [0, 0],
      [0, 0],
      [4, 4],
      [0, 0],
    ],
  ],
  [
    [40, 33],
    [
      [1, 0],
      [0, 1],
    ],
  ],
  [
    [300, 200],
    [
      [0, 3],
      [16, 1],
    ],
  ],
  [
    [2, 3, 4, 5],
    [
      [1, 0],
      [0, 2],
      [3, 1],
      [2, 2],
    ],
  ],
  [
    [7, 1, 1],
    [
      [0, 0],
      [1, 1],
      [0, 0],
    ],
  ],
  [
    [0, 4],
    [
      [1, 1],
      [0, 2],
    ],
  ],
  [
    [4, 0],
    [
      [1, 1],
      [0, 0],
    ],
  ],
];

describe("movements", { skip }, () => {
  for (const dtype of dtypes) {
    test(`elements around ${dtype}`, () => {
      const random = seeded(31);
      for (const [shape, sides] of pads) {
        check("pad", [randomTensor(random, shape, dtype, 0, 9)], {
          low: sides.map(([low]) => low),
          high: sides.map(([, high]) => high),
          interior: sides.map(() => 0),
          value: 3,
        });
      }
    });
    test(`rows of ${dtype} backwards`, () => {
      const random = seeded(32);
      for (const width of [1, 2, 3, 8, 15, 16, 17, 33, 255, 257]) {
        const x = randomTensor(random, [3, 19, width], dtype, 0, 99);
        for (const axes of [[2], [1, 2], [0, 2], [0, 1]]) check("flip", [x], { axes });
      }
    });
    test(`transpositions of ${dtype}`, () => {
      const random = seeded(33);
      for (const [rows, columns] of [
        [2, 1031],
        [3, 1031],
        [4, 2049],
        [5, 3001],
        [7, 63],
        [8, 129],
        [15, 40],
        [17, 1100],
        [19, 20],
        [31, 33],
        [67, 1030],
      ] as const) {
        const x = randomTensor(random, [2, rows, columns], dtype, 0, 99);
        check("transpose", [x], { permutation: [0, 2, 1] });
        check("transpose", [x], { permutation: [2, 0, 1] });
        check("transpose", [randomTensor(random, [columns, rows, 2], dtype, 0, 99)], {
          permutation: [2, 1, 0],
        });
      }
      check("transpose", [randomTensor(random, [16, 16, 16, 16], dtype, 0, 99)], {
        permutation: [3, 2, 1, 0],
      });
    });
    test(`rows of ${dtype} by number`, () => {
      const random = seeded(34);
      for (const index of ["int32", "int64"] as const) {
        for (const width of [1, 2, 3, 5, 17, 40, 600]) {
          const x = randomTensor(random, [2, 23, width], dtype, 0, 99);
          for (const count of [0, 1, 9, 257]) {
            check("gather", [x, randomTensor(random, [count], index, 0, 22)], { axis: 1, batchAxes: 0 });
            check("gather", [x, randomTensor(random, [2, count], index, 0, 22)], { axis: 1, batchAxes: 1 });
          }
        }
      }
    });
    test(`a number out of range among those of rows of ${dtype}`, () => {
      const random = seeded(35);
      const take = primitiveByName("gather");
      for (const index of ["int32", "int64"] as const) {
        const wrong = index === "int32" ? [-1, 23, -(2 ** 31), 2 ** 31 - 1] : [-1, 23, -(2 ** 53), 2 ** 32];
        for (const width of [1, 3, 200]) {
          const x = randomTensor(random, [23, width], dtype, 0, 99);
          for (const at of [0, 255, 256, 700]) {
            for (const number of wrong) {
              const rows = randomTensor(random, [701], index, 0, 22);
              writeElement((rows.storage as CpuStorage).array, index, at, number);
              assert.throws(() => run(take, [x, rows], { axis: 0, batchAxes: 0 }), {
                name: "ValueError",
                message: new RegExp(`gather: expected indices from 0 to 22 .* received ${number}\\.`),
              });
            }
          }
        }
      }
    });
  }

  test("comparisons whose results are numbers", () => {
    const f = (x: ng.Tensor, y: ng.Tensor, one: ng.Tensor) => [
      ng.equal(x, y).astype("float32"),
      ng.less(x, one).astype("float32"),
      ng.greater(one, y).astype("float16"),
      ng.lessEqual(x, y.slice([], [0, 1])).astype("bfloat16"),
      ng.greaterEqual(x, y.slice([0, 1])).astype("float32"),
      ng.notEqual(x, y).astype("float64"),
      ng.notEqual(x, y).astype("float32").mul(2),
    ];
    for (const dtype of ["float32", "float64", "int8", "int32", "int64"] as const) {
      for (const shape of [
        [1, 1],
        [3, 17],
        [70, 7],
        [2, 2049],
        [301, 1701],
      ] as const) {
        const [native, reference] = (["native", "reference"] as const).map((backend) =>
          onBackend(backend, () => {
            const count = shape[0] * shape[1];
            const numbers = (step: number) =>
              ng
                .remainder(ng.arange(count, { dtype: "int32" }).mul(step), 5)
                .astype(dtype)
                .reshape(shape);
            const nan = dtype.startsWith("float") ? Number.NaN : 2;
            const x = ng.where(ng.equal(numbers(7), 4), ng.tensor(nan, { dtype }), numbers(3));
            return ng
              .jit(f)(x, numbers(2), ng.tensor(2, { dtype }))
              .map((y) => y.astype("float64").dataSync());
          }),
        );
        assert.deepEqual(native, reference, `${dtype} ${shape}`);
      }
    }
  });
});
