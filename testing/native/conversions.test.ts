/** Floats to integers in vectors and in a part of one: out of range saturates, NaN gives 0, the rest is cut off towards 0. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

const bounds = [0, 127, 128, 255, 256, 2 ** 31, 2 ** 31 - 128, 2 ** 31 + 256];
const numbers = [
  ...bounds.flatMap((x) => [x, -x, x + 0.5, 0.5 - x, x - 1.5, 1.5 - x]),
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e-40,
];

for (const from of ["float32", "float64"] as const) {
  for (const to of ["int8", "uint8", "int32", "int64"] as const) {
    test(`${from} to ${to}: native equals reference for every bound and length`, { skip }, () => {
      for (const length of [1, 3, 8, 17, numbers.length, 20 * numbers.length + 5]) {
        const values = Array.from({ length }, (_, i) => numbers[(i * 5) % numbers.length] as number);
        const [native, reference] = (["native", "reference"] as const).map((backend) =>
          onBackend(backend, () =>
            ng
              .jit((x: ng.Tensor) => x.astype(to))(ng.tensor(values, { dtype: from }))
              .toArray(),
          ),
        );
        assert.deepEqual(native, reference);
      }
    });
  }
}
