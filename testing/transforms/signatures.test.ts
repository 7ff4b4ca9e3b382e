import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as ng from "nagare";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** How often a compiled function is traced for these calls, one after the other. */
function countTraces(calls: readonly (readonly unknown[])[], options: ng.JitOptions = {}): number {
  let traces = 0;
  const f = ng.jit((..._args: readonly unknown[]): ng.Tensor[] => {
    traces++;
    return [];
  }, options);
  for (const call of calls) f(...call);
  return traces;
}

const [two, other, three, integers] = [
  ng.zeros([2]),
  ng.ones([2]),
  ng.zeros([3]),
  ng.zeros([2], { dtype: "int32" }),
];
const variable = ng.variable(two);
const activation = (x: ng.Tensor): ng.Tensor => x;

describe("a compiled function is traced once for each signature, whichever came before", () => {
  const cases: Readonly<Record<string, [traces: number, calls: readonly (readonly unknown[])[]]>> = {
    "other values": [1, [[two], [other], [two]]],
    "another shape, and back": [2, [[two], [three], [two], [three]]],
    "another dtype, and back": [2, [[two], [integers], [two]]],
    "another rank": [2, [[two], [ng.zeros([2, 1])], [two]]],
    "more arguments": [3, [[two], [two, two], [], [two]]],
    "numbers of other values": [1, [[0.5], [1], [-0]]],
    "a number where a tensor was": [2, [[two], [1], [two]]],
    "a number and a scalar are alike": [1, [[1], [ng.tensor(2)]]],
    "the other boolean": [2, [[true], [false], [true]]],
    "another string": [2, [["relu"], ["gelu"], ["relu"]]],
    "a string and a tensor": [2, [["relu"], [two], ["relu"]]],
    "another function": [2, [[activation], [(x: ng.Tensor) => x.neg()], [activation]]],
    "another variable": [2, [[variable], [ng.variable(two)], [variable]]],
    "a variable and its value": [2, [[variable], [two], [variable]]],
    "another order of the same keys": [1, [[{ a: two, b: three }], [{ b: three, a: two }]]],
    "another key": [2, [[{ a: two }], [{ b: two }], [{ a: two }]]],
    "one key more": [2, [[{ a: two }], [{ a: two, b: null }], [{ a: two }]]],
    "a record and a list": [2, [[{ 0: two }], [[two]], [{ 0: two }]]],
  };
  for (const [name, [traces, calls]] of Object.entries(cases)) {
    test(name, () => assert.equal(countTraces(calls), traces));
  }

  test("static arguments count by value", () => {
    const calls = [
      [two, 2],
      [two, 2],
      [two, 3],
      [two, 2],
    ];
    assert.equal(countTraces(calls, { staticArgnums: 1 }), 2);
  });
});

test("every call gets the values of its own arguments", () => {
  const f = ng.jit(({ x, k }: { x: ng.Tensor; k: number }, on: boolean) => (on ? x.mul(k) : x));
  const results = [1, 2, 3].flatMap((k) =>
    [true, false].map((on) => f({ x: ng.tensor([k, 10]), k }, on).toArray()),
  );
  assert.deepEqual(results, [
    [1, 10],
    [1, 10],
    [4, 20],
    [2, 10],
    [9, 30],
    [3, 10],
  ]);
});

test("a compiled function does not keep the tensors of its last call alive", async () => {
  const f = ng.jit((x: ng.Tensor) => x.sum());
  const call = (): WeakRef<ng.Tensor> => {
    const x = ng.ones([4]);
    f(x);
    return new WeakRef(x);
  };
  const reference = call();
  for (let turn = 0; turn < 10 && reference.deref(); turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  assert.equal(reference.deref(), undefined);
});
