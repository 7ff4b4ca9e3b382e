/** Operations of bools alone, which are computed as bytes: alone and in chains, whole vectors and parts, bools that are repeated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

type Bools = ng.Tensor;

const functions: { readonly [name: string]: (a: Bools, b: Bools, one: Bools, row: Bools) => Bools[] } = {
  and: (a, b) => [ng.logicalAnd(a, b)],
  or: (a, b) => [ng.logicalOr(a, b)],
  not: (a) => [ng.logicalNot(a)],
  equal: (a, b) => [ng.equal(a, b)],
  "not equal": (a, b) => [ng.notEqual(a, b)],
  "one bool for all on either side": (a, b, one) => [ng.logicalAnd(one, a), ng.equal(b, one)],
  "a row for all": (a, _, __, row) => [ng.logicalOr(row, a)],
  "an element for each row": (a, b) => [ng.notEqual(a, b.slice(null, [0, 1]))],
  "nothing that varies": (a, _, one) => [ng.broadcastTo(ng.logicalNot(one), a.shape)],
  "a chain with several results": (a, b, one, row) => {
    const both = ng.logicalAnd(a, ng.logicalNot(b));
    return [both, ng.logicalOr(both, ng.equal(a, row)), ng.notEqual(both, ng.logicalNot(one))];
  },
  "bools beside numbers": (a, b) => [ng.where(ng.logicalAnd(a, b), 2, a.astype("float32"))],
};

for (const [name, f] of Object.entries(functions)) {
  test(`${name}: native equals reference`, { skip }, () => {
    for (const shape of [
      [1, 1],
      [1, 63],
      [5, 64],
      [3, 65],
      [70, 7],
      [2, 2049],
      [1, 9000],
    ] as const) {
      const [native, reference] = (["native", "reference"] as const).map((backend) =>
        onBackend(backend, () => {
          const bools = (step: number, [rows, columns]: readonly number[]) =>
            ng
              .greater(
                ng.remainder(ng.arange((rows ?? 1) * (columns ?? 1), { dtype: "int32" }).mul(step), 7),
                2,
              )
              .reshape([rows ?? 1, columns ?? 1]);
          const operands = [
            bools(3, shape),
            bools(5, shape),
            ng.tensor(true),
            bools(2, [1, shape[1]]),
          ] as const;
          return ng
            .jit(f)(...operands)
            .map((y) => y.toArray());
        }),
      );
      assert.deepEqual(native, reference, String(shape));
    }
  });
}
