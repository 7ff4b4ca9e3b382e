import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

/** A call that must be refused, the class of the error and what its message names. */
type Refusal = readonly [
  what: string,
  call: () => unknown,
  error: new (message: string) => Error,
  message: RegExp,
];

const foreign = (value: unknown) => value as number;

const refusals: readonly Refusal[] = [
  [
    "a ragged array",
    () => ng.tensor([[1, 2], [3]]),
    ng.ShapeError,
    /of 2 elements at this depth; values\[1\] has 1/,
  ],
  ["a number beside an array", () => ng.tensor([[1], 2]), ng.ShapeError, /values\[1\]/],
  ["an array deeper than the first", () => ng.tensor([1, [2]]), ng.ShapeError, /values\[1\] is an array/],
  ["mixed kinds", () => ng.tensor([1, true]), ng.DTypeError, /a number first and a boolean at values\[1\]/],
  ["a string", () => ng.tensor([[1], [foreign("a")]]), ng.DTypeError, /the string "a" at values\[1\]\[0\]/],
  ["null", () => ng.tensor(foreign(null)), ng.DTypeError, /received null/],
  ["a tensor inside an array", () => ng.tensor([foreign(ng.ones([2]))]), ng.DTypeError, /ng\.stack/],
  [
    "a number that uint8 cannot hold",
    () => ng.tensor([0, 256], { dtype: "uint8" }),
    ng.ValueError,
    /0 to 255.*256 at values\[1\]/,
  ],
  [
    "a fraction in int32",
    () => ng.tensor([0.5], { dtype: "int32" }),
    ng.ValueError,
    /whole number.*0\.5 at values\[0\]/,
  ],
  ["NaN in int32", () => ng.tensor([Number.NaN], { dtype: "int32" }), ng.ValueError, /NaN/],
  [
    "an unsafe integer in int64",
    () => ng.tensor([2 ** 60], { dtype: "int64" }),
    ng.ValueError,
    /safe integer/,
  ],
  [
    "a typed array without a dtype",
    () => ng.tensor(new Int16Array(1)),
    ng.DTypeError,
    /Int16Array.*\{ dtype \}/,
  ],
  [
    "a shape of another size",
    () => ng.tensor([1, 2, 3], { shape: [2, 2] }),
    ng.ShapeError,
    /4 elements; received 3/,
  ],
  [
    "an unknown dtype",
    () => ng.zeros([1], { dtype: foreign("float") as unknown as "float32" }),
    ng.DTypeError,
    /"float"/,
  ],
  ["a negative size", () => ng.zeros([-1]), ng.ShapeError, /\[-1\]/],
  ["a fill that the dtype cannot hold", () => ng.full([2], 0.5, { dtype: "int32" }), ng.ValueError, /0\.5/],
  ["a step of 0", () => ng.arange(0, 1, 0), ng.ValueError, /step/],
  ["an infinite range", () => ng.arange(Number.POSITIVE_INFINITY), ng.ValueError, /finite/],
  [
    "an operand that is a typed array, without all its numbers",
    () => ng.add(foreign(new Float32Array(9)), 1),
    ng.DTypeError,
    /received an array\. .*ng\.tensor/,
  ],
  ["float class indices", () => ng.oneHot(ng.ones([2]), 3), ng.DTypeError, /integer/],
];

describe("refused", () => {
  for (const [what, call, error, message] of refusals) {
    test(what, () =>
      assert.throws(call, (thrown) => thrown instanceof error && message.test((thrown as Error).message)),
    );
  }
});

for (const backend of testedBackends) {
  describe(`tensors made on ${backend}`, () => {
    const fact = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

    fact("numbers make float32, booleans bool, bigints int64, typed arrays their own dtype", () => {
      const dtypes = [[1], [true], [1n], new Float64Array(1), new Uint8Array(1), new Int32Array(1)].map(
        (values) => ng.tensor(values).dtype,
      );
      assert.deepEqual(dtypes, ["float32", "bool", "int64", "float64", "uint8", "int32"]);
    });

    fact("a tensor does not change with the array it was made of", () => {
      const values = Float32Array.of(1, 2);
      const t = ng.tensor(values);
      values[0] = 9;
      assert.deepEqual(t.toArray(), [1, 2]);
    });

    fact("nested typed arrays are rows, and empty arrays keep their shape", () => {
      assert.deepEqual(ng.tensor([Float32Array.of(1, 2), Float32Array.of(3, 4)]).toArray(), [
        [1, 2],
        [3, 4],
      ]);
      assert.deepEqual(ng.tensor([[], []]).shape, [2, 0]);
    });

    fact("values keep through every dtype that holds them", () => {
      for (const dtype of ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int32"] as const) {
        assert.deepEqual(
          ng
            .tensor(
              [
                [1, 2],
                [3, 100],
              ],
              { dtype },
            )
            .toArray(),
          [
            [1, 2],
            [3, 100],
          ],
          dtype,
        );
      }
      assert.deepEqual(ng.tensor([2n ** 62n, -1n]).toArray(), [2n ** 62n, -1n]);
      assert.deepEqual(ng.tensor([0, 3], { dtype: "bool" }).toArray(), [false, true]);
    });

    fact("zerosLike and onesLike take shape and dtype", () => {
      const like = ng.tensor([[1n], [2n]]);
      assert.deepEqual(
        [ng.zerosLike(like).toArray(), ng.onesLike(like).toArray()],
        [
          [[0n], [0n]],
          [[1n], [1n]],
        ],
      );
    });

    fact("oneHot puts the new axis where it is told, and leaves indices outside as zeros", () => {
      const indices = ng.tensor([1, -1], { dtype: "int32" });
      assert.deepEqual(ng.oneHot(indices, 3).toArray(), [
        [0, 1, 0],
        [0, 0, 0],
      ]);
      assert.deepEqual(ng.oneHot(indices, 3, { axis: 0 }).shape, [3, 2]);
      assert.deepEqual(
        ng
          .oneHot(ng.tensor([200], { dtype: "uint8" }), 300)
          .argMax({ axis: 1 })
          .toArray(),
        [200],
      );
    });

    fact("concat and stack join along an old and a new axis", () => {
      const [a, b] = [ng.tensor([[1, 2]]), ng.tensor([[3, 4]])];
      assert.deepEqual(ng.concat([a, b], { axis: -1 }).toArray(), [[1, 2, 3, 4]]);
      assert.deepEqual(ng.stack([a, b], { axis: -1 }).toArray(), [
        [
          [1, 3],
          [2, 4],
        ],
      ]);
    });
  });
}
