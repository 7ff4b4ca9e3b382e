/**
 * Numbers below the least normal one. Products of matrices may take them for 0, which elementwise operations around them must not: the
 * processor's mode is of a thread, and a product that leaves it behind would change whatever the thread computes next.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";
const subnormal = 1e-40;
const leastNormal = 2 ** -126;

/** Products by each way that the engine has for a shape. */
const shapes: readonly (readonly [way: string, m: number, k: number, n: number])[] = [
  ["a thin one", 300, 8, 8],
  ["a row", 1, 300, 300],
  ["a column", 300, 300, 1],
  ["packed blocks", 200, 300, 250],
];

/** Of subnormal numbers alone: 0 on x86, elsewhere at most their sum. */
function checkVanished(values: Iterable<number | bigint>, most: number): void {
  for (const value of values) {
    assert.ok(
      process.arch === "x64" ? value === 0 : value >= 0 && value <= Math.max(most, leastNormal),
      `${value}`,
    );
  }
}

describe("subnormal numbers", { skip }, () => {
  for (const [way, m, k, n] of shapes) {
    test(`${way} gives what the normal numbers give`, async () => {
      ng.setBackend("native");
      const b = ng.full([k, n], 0.5);
      const rows = ng.concat([ng.full([m, k - 1], 1), ng.full([m, 1], subnormal)], { axis: 1 });
      const exact = (k - 1) / 2;
      assert.ok((await rows.matmul(b).data()).every((value) => value === exact));
      checkVanished(await ng.full([m, k], subnormal).matmul(b).data(), k * subnormal);
    });

    test(`after ${way} elementwise operations keep them, in a program and alone`, async () => {
      ng.setBackend("native");
      const b = ng.full([k, n], 0.5);
      const a = ng.full([m, k], 1);
      const small = ng.full([400, 400], subnormal);
      const kept = Float32Array.of(subnormal)[0] as number;
      const doubled = (x: ng.Tensor, y: ng.Tensor, z: ng.Tensor) => [x.matmul(y), z.mul(2)] as const;
      for (const way of [doubled, ng.jit(doubled)]) {
        for (let time = 0; time < 3; time++) {
          const [, twice] = way(a, b, small);
          assert.ok((await twice.data()).every((value) => value === 2 * kept));
        }
      }
    });
  }

  test("products of bfloat16 with sums of float32 take them for 0, too", async () => {
    ng.setBackend("native");
    const x = ng.full([70, 90], subnormal, { dtype: "bfloat16" });
    const y = ng.full([90, 50], 0.5, { dtype: "bfloat16" });
    checkVanished(await x.matmul(y, { dtype: "float32" }).data(), 90 * subnormal);
  });

  for (const [size, channels, groups] of [
    [3, 64, 1],
    [5, 8, 1],
    [5, 24, 1],
    [3, 32, 32],
  ] as const) {
    test(`so do convolutions of ${size} × ${size} × ${channels} in ${groups} groups and their filters' gradients`, async () => {
      ng.setBackend("native");
      const x = ng.full([1, 32, 32, channels], subnormal);
      const filters = ng.full([size, size, channels / groups, channels], 0.5);
      const convolve = (w: ng.Tensor) => ng.conv2d(x, w, { padding: "same", groups });
      const gradient = ng.grad((w: ng.Tensor) => convolve(w).sum())(filters);
      const most = 32 * 32 * channels * subnormal;
      checkVanished(await convolve(filters).data(), most);
      checkVanished(await gradient.data(), most);
    });
  }

  test("what follows a product in one kernel keeps them", async () => {
    ng.setBackend("native");
    const scaled = ng.jit((x: ng.Tensor, y: ng.Tensor) => x.matmul(y).mul(subnormal));
    const value = Float32Array.of(subnormal)[0] as number;
    const result = await scaled(ng.full([64, 64], 1), ng.full([64, 64], 1 / 64)).data();
    assert.ok(result.every((element) => element === value));
  });
});
