import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { type ConcreteTensor, ValueError } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";

const storageOf = (x: ng.Tensor) => (x as ConcreteTensor).storage;
const gone = (error: unknown): boolean =>
  error instanceof ValueError && /received one that was donated to (update|jit)/.test(error.message);
const ramp = (size: number): ng.Tensor => ng.tensor(Array.from({ length: size }, (_, i) => i));

for (const backend of testedBackends) {
  const on = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

  describe(`donation on ${backend}`, () => {
    on("results are written over the argument, which is of no use afterwards", () => {
      const update = ng.jit(
        function update(x: ng.Tensor, by: ng.Tensor) {
          return x.mul(2).add(by);
        },
        { donate: 0 },
      );
      const [x, by] = [ramp(4), ng.ones([4])];
      const before = storageOf(x);
      const y = update(x, by);
      assert.deepEqual(y.toArray(), [1, 3, 5, 7]);
      assert.deepEqual(by.toArray(), [1, 1, 1, 1], "the other argument stays");
      if (backend === "native") assert.equal(storageOf(y), before, "no new storage");
      for (const use of [() => x.toArray(), () => x.add(1), () => update(x, by), () => ng.variable(x)])
        assert.throws(use, gone);
      assert.deepEqual(update(y, by).toArray(), [3, 7, 11, 15]);
    });

    on("a result that is needed after the argument was written over is right", () => {
      const f = ng.jit((x: ng.Tensor) => [x.add(1), x.mul(x), x.sum()] as const, { donate: [0] });
      const [a, b, c] = f(ramp(3));
      assert.deepEqual([a.toArray(), b.toArray(), c.item()], [[1, 2, 3], [0, 1, 4], 3]);
      const product = ng.jit((x: ng.Tensor) => x.matmul(x), { donate: 0 });
      assert.deepEqual(
        product(
          ng.tensor([
            [1, 2],
            [3, 4],
          ]),
        ).toArray(),
        [
          [7, 10],
          [15, 22],
        ],
      );
    });

    on("trees are given away whole; numbers and variables in them are not", () => {
      const v = ng.variable(ng.ones([2]));
      const f = ng.jit(
        (tree: { a: ng.Tensor; b: [ng.Tensor, number]; v: ng.Variable }) =>
          tree.a.add(tree.b[0]).mul(tree.b[1]).add(tree.v.value),
        { donate: 0 },
      );
      const [a, b] = [ramp(2), ramp(2)];
      assert.deepEqual(f({ a, b: [b, 3], v }).toArray(), [1, 7]);
      for (const x of [a, b]) assert.throws(() => x.toArray(), gone);
      assert.deepEqual(v.value.toArray(), [1, 1]);
      assert.deepEqual(f({ a: ramp(2), b: [ramp(2), 3], v }).toArray(), [1, 7]);
    });

    describe("elements that somebody else has are not written over", () => {
      const double = ng.jit((x: ng.Tensor) => x.mul(2), { donate: 0 });

      on("a reshaped tensor's", () => {
        const x = ramp(4);
        const view = x.reshape([2, 2]);
        double(view);
        assert.deepEqual(x.toArray(), [0, 1, 2, 3]);
        assert.throws(() => view.toArray(), gone);
      });

      on("a variable's, which gives out a new handle", () => {
        const initial = ramp(3);
        const v = ng.variable(initial);
        double(v.value);
        double(initial);
        assert.deepEqual(v.value.toArray(), [0, 1, 2]);
        const assigned = ramp(3).add(1);
        v.assign(assigned);
        double(assigned);
        assert.deepEqual(v.value.add(0).toArray(), [1, 2, 3]);
      });

      on("a constant's of a compiled function", () => {
        const x = ramp(600);
        const f = ng.jit((y: ng.Tensor) => y.add(x));
        f(ng.ones([600]));
        double(x);
        assert.equal(
          f(ng.ones([600]))
            .sum()
            .item(),
          600 + (599 * 600) / 2,
        );
        assert.throws(() => ng.jit(() => x.add(0))(), gone);
      });

      on("those of a result that is the argument itself, or is there twice", () => {
        const same = ng.jit((x: ng.Tensor) => [x, x.mul(2)] as const);
        const x = ramp(3);
        const [y] = same(x);
        double(y);
        assert.deepEqual(x.toArray(), [0, 1, 2]);
        const twice = ng.jit((x: ng.Tensor) => {
          const y = x.mul(3);
          return [y, y] as const;
        });
        const [a, b] = twice(ramp(3));
        double(a);
        assert.deepEqual(b.toArray(), [0, 3, 6]);
      });

      on("an argument's that is given twice", () => {
        const f = ng.jit((x: ng.Tensor, y: ng.Tensor) => x.mul(2).add(y), { donate: 0 });
        const x = ramp(3);
        assert.deepEqual(f(x, x).toArray(), [0, 3, 6]);
      });
    });

    on("inside another transform nothing is given away", () => {
      const f = ng.jit((x: ng.Tensor) => x.mul(x).sum(), { donate: 0 });
      const x = ramp(3);
      assert.deepEqual((ng.grad(f)(x) as ng.Tensor).toArray(), [0, 2, 4]);
      assert.deepEqual(x.toArray(), [0, 1, 2]);
    });

    test("off the event loop too", async () => {
      const f = ng.jit((x: ng.Tensor) => x.add(1), { donate: 0 });
      let [x, first] = [ramp(1000), ramp(1000)];
      const steps = onBackend(backend, () => f.runAsync(x));
      await assert.rejects(async () => void (await x.data()), gone);
      x = await steps;
      first = await onBackend(backend, () => f.runAsync(x));
      assert.equal((await first.data())[999], 1001);
    });

    on("memory does not grow by results of a donated chain", () => {
      const f = ng.jit((x: ng.Tensor) => x.add(1), { donate: 0 });
      let x = f(ng.zeros([1 << 12]).add(0));
      const storages = new Set<unknown>();
      for (let i = 0; i < 20; i++) {
        x = f(x);
        storages.add(storageOf(x));
      }
      if (backend === "native") assert.equal(storages.size, 1);
      assert.equal(x.slice(0).item(), 21);
    });
  });
}

describe("donate", () => {
  for (const [donate, message] of [
    [-1, /jit: donate: expected a whole number of at least 0; received -1/],
    [[0.5], /jit: donate: expected a whole number/],
    [1, /expected argument 1 to be static or donated; received it as both/],
  ] as const)
    test(`${JSON.stringify(donate)} is refused`, () => {
      assert.throws(() => ng.jit((x: ng.Tensor, _n: number) => x, { donate, staticArgnums: 1 }), message);
    });
});
