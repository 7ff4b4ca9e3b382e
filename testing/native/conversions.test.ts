/** Conversions in vectors and in a part of one. Floats to integers saturate out of range, NaN gives 0, the rest is cut off towards 0. */
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

for (const from of ["float32", "float64", "bfloat16", "int32"] as const) {
  for (const to of ["int8", "uint8", "bool", "int32", "int64"] as const) {
    if (from === to) continue;
    test(`${from} to ${to}: native equals reference for every bound and length`, { skip }, () => {
      for (const length of [1, 3, 8, 17, numbers.length, 20 * numbers.length + 5]) {
        const values = Array.from({ length }, (_, i) => {
          const number = numbers[(i * 5) % numbers.length] as number;
          return from === "int32" ? number | 0 : number;
        });
        // Alone, and where something else needs the result too.
        const f = (x: ng.Tensor) => [x.astype(to), x.astype(to).astype("float32").mul(0.5)];
        const [native, reference] = (["native", "reference"] as const).map((backend) =>
          onBackend(backend, () => {
            const x = ng.tensor(values, { dtype: from });
            return [ng.jit((x: ng.Tensor) => x.astype(to))(x), ...ng.jit(f)(x)].map((y) => y.toArray());
          }),
        );
        assert.deepEqual(native, reference);
      }
    });
  }
}
