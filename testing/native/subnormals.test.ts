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

describe("subnormal numbers", { skip }, () => {
  for (const [way, m, k, n] of shapes) {
    test(`${way} gives what the normal numbers give`, async () => {
      ng.setBackend("native");
      const b = ng.full([k, n], 0.5);
      const rows = ng.concat([ng.full([m, k - 1], 1), ng.full([m, 1], subnormal)], { axis: 1 });
      const exact = (k - 1) / 2;
      assert.ok((await rows.matmul(b).data()).every((value) => value === exact));
      // Of subnormal numbers alone: 0, or their sum.
      const most = k * subnormal;
      for (const value of await ng.full([m, k], subnormal).matmul(b).data()) {
        assert.ok(value >= 0 && value <= Math.max(most, leastNormal), `${value}`);
      }
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

  test("what follows a product in one kernel keeps them", async () => {
    ng.setBackend("native");
    const scaled = ng.jit((x: ng.Tensor, y: ng.Tensor) => x.matmul(y).mul(subnormal));
    const value = Float32Array.of(subnormal)[0] as number;
    const result = await scaled(ng.full([64, 64], 1), ng.full([64, 64], 1 / 64)).data();
    assert.ok(result.every((element) => element === value));
  });
});
