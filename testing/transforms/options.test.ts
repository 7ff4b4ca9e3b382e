import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Tensor } from "nagare";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const x = ng.tensor([1, 2, 3]);
const y = ng.tensor([10, 20, 30]);

for (const backend of testedBackends) {
  describe(`options on ${backend}`, () => {
    const fact = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

    fact("argnums picks arguments, in its own order", () => {
      const f = (a: Tensor, b: Tensor): Tensor => ng.sum(a.mul(a).mul(b));
      assert.deepEqual(ng.grad(f)(x, y).toArray(), [20, 80, 180]);
      assert.deepEqual((ng.grad(f, { argnums: 1 })(x, y) as Tensor).toArray(), [1, 4, 9]);
      const both = ng.grad(f, { argnums: [1, 0] })(x, y) as unknown as Tensor[];
      assert.deepEqual(
        both.map((g) => g.toArray()),
        [
          [1, 4, 9],
          [20, 80, 180],
        ],
      );
    });

    fact("hasAux hands the rest through, as values", () => {
      const f = (a: Tensor): [Tensor, { doubled: Tensor; note: string }] => [
        ng.sum(a.mul(a)),
        { doubled: a.mul(2), note: "kept" },
      ];
      for (const g of [ng.valueAndGrad(f, { hasAux: true }), ng.jit(ng.valueAndGrad(f, { hasAux: true }))]) {
        const [[loss, extra], gradient] = g(x) as unknown as [
          [Tensor, { doubled: Tensor; note: string }],
          Tensor,
        ];
        assert.equal(loss.item(), 14);
        assert.deepEqual(extra.doubled.toArray(), [2, 4, 6]);
        assert.equal(extra.note, "kept");
        assert.deepEqual(gradient.toArray(), [2, 4, 6]);
      }
    });

    fact("gradients of trees are trees, and zero where nothing depends", () => {
      const f = ({ a, rest }: { a: Tensor; rest: Tensor[] }): Tensor => ng.sum(a.mul(rest[0] ?? 0));
      const gradient = ng.grad(f)({ a: x, rest: [y, ng.ones([2, 2])] }) as unknown as {
        a: Tensor;
        rest: Tensor[];
      };
      assert.deepEqual(gradient.a.toArray(), [10, 20, 30]);
      assert.deepEqual(
        gradient.rest.map((g) => g.toArray()),
        [
          [1, 2, 3],
          [
            [0, 0],
            [0, 0],
          ],
        ],
      );
    });

    fact("a JavaScript number may be differentiated", () => {
      const gradient = ng.grad((a: Tensor | number) => ng.mul(a, a))(3) as Tensor;
      assert.equal(gradient.item(), 6);
    });

    fact("stopGradient lets values pass and derivatives not", () => {
      const f = (a: Tensor): Tensor => ng.sum(a.mul(ng.stopGradient(a)));
      assert.deepEqual(ng.grad(f)(x).toArray(), [1, 2, 3]);
    });

    fact("a value used twice collects both cotangents", () => {
      const f = (a: Tensor): Tensor => {
        const b = a.mul(a);
        return ng.sum(b.add(b.mul(b)));
      };
      assert.deepEqual(ng.grad(f)(x).toArray(), [6, 36, 114]);
    });

    fact("inAxes names an axis for each argument, each leaf, or none", () => {
      const f = (a: { w: Tensor; b: Tensor }, c: Tensor): Tensor => a.w.mul(c).add(a.b);
      const matrix = ng.tensor([
        [1, 2],
        [3, 4],
        [5, 6],
      ]);
      const mapped = ng.vmap(f, { inAxes: [{ b: null, w: 1 }, null] });
      assert.deepEqual(mapped({ w: matrix, b: ng.tensor(100) }, ng.tensor([1, 10, 100])).toArray(), [
        [101, 130, 600],
        [102, 140, 700],
      ]);
    });

    fact("outAxes says where the mapped axis stands, also for results that do not depend on it", () => {
      const f = (a: Tensor): Tensor[] => [a.mul(2), ng.tensor([7, 8])];
      const [doubled, constant] = ng.vmap(f, { outAxes: 1 })(
        ng.tensor([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
      ) as [Tensor, Tensor];
      assert.deepEqual(doubled.toArray(), [
        [2, 6, 10],
        [4, 8, 12],
      ]);
      assert.deepEqual(constant.toArray(), [
        [7, 7, 7],
        [8, 8, 8],
      ]);
      const last = ng.vmap((a: Tensor) => a, { inAxes: -1, outAxes: -1 });
      assert.deepEqual(
        last(
          ng.tensor([
            [1, 2],
            [3, 4],
          ]),
        ).toArray(),
        [
          [1, 2],
          [3, 4],
        ],
      );
    });
  });

  describe(`jit on ${backend}`, () => {
    const fact = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

    /** A compiled function and how often it was traced. */
    function counted<A extends unknown[], R>(f: (...args: A) => R, options?: Parameters<typeof ng.jit>[1]) {
      let traces = 0;
      const compiled = ng.jit((...args: A): R => {
        traces++;
        return f(...args);
      }, options);
      return { compiled, traces: () => traces };
    }

    fact("a function is traced once for each shape, dtype, structure and boolean", () => {
      const { compiled, traces } = counted((a: unknown, flag: boolean) => {
        const leaf = (Array.isArray(a) ? a[0] : a) as Tensor;
        return flag ? leaf.mul(2) : leaf.mul(3);
      });
      const calls: [unknown, boolean, number][] = [
        [x, true, 1],
        [y, true, 1],
        [x, false, 2],
        [ng.ones([2]), true, 3],
        [ng.ones([3], { dtype: "float64" }), true, 4],
        [[x], true, 5],
        [[y], true, 5],
        [x, false, 5],
      ];
      for (const [a, flag, expected] of calls) {
        compiled(a, flag);
        assert.equal(traces(), expected);
      }
      assert.deepEqual(compiled(x, false).toArray(), [3, 6, 9]);
    });

    fact("JavaScript numbers are inputs: new values need no new trace", () => {
      const { compiled, traces } = counted((a: Tensor, factor: number) => a.mul(factor));
      assert.deepEqual(compiled(x, 2).toArray(), [2, 4, 6]);
      assert.deepEqual(compiled(x, 0.5).toArray(), [0.5, 1, 1.5]);
      assert.equal(traces(), 1);
    });

    fact("static arguments steer the trace, by value or by identity", () => {
      const { compiled, traces } = counted(
        (a: Tensor, n: number, config: { bias: number }) => {
          let b = a;
          for (let i = 0; i < n; i++) b = b.mul(2);
          return b.add(config.bias);
        },
        { staticArgnums: [1, 2] },
      );
      const config = { bias: 1 };
      assert.deepEqual(compiled(x, 2, config).toArray(), [5, 9, 13]);
      assert.deepEqual(compiled(x, 3, config).toArray(), [9, 17, 25]);
      assert.deepEqual(compiled(y, 2, config).toArray(), [41, 81, 121]);
      assert.equal(traces(), 2);
      compiled(x, 2, { bias: 1 });
      assert.equal(traces(), 3);
    });

    fact("results keep their structure, strings and nulls included", () => {
      const f = ng.jit((a: Tensor) => ({ list: [a.add(1), a], name: "n", none: null, number: 5 }));
      const result = f(x);
      assert.deepEqual(
        (result.list as Tensor[]).map((t) => t.toArray()),
        [
          [2, 3, 4],
          [1, 2, 3],
        ],
      );
      assert.deepEqual([result.name, result.none], ["n", null]);
      assert.equal(ng.add(result.number, 0).item(), 5);
    });

    fact("results that are arguments, constants or each other keep their values", () => {
      const constant = ng.tensor([4, 5, 6]);
      const f = ng.jit((a: Tensor) => {
        const b = a.mul(2);
        return [a, constant, b, b, a];
      });
      for (const input of [x, y]) {
        const doubled = input.mul(2).toArray();
        const expected = [input.toArray(), [4, 5, 6], doubled, doubled, input.toArray()];
        assert.deepEqual(
          f(input).map((t) => t.toArray()),
          expected,
        );
      }
    });

    fact("earlier results keep their values in later calls", () => {
      const f = ng.jit((a: Tensor) => ng.exp(a).mul(0).add(a));
      const first = f(x);
      const second = f(y);
      f(ng.zeros([3]));
      assert.deepEqual(
        [first.toArray(), second.toArray()],
        [
          [1, 2, 3],
          [10, 20, 30],
        ],
      );
    });

    fact("a function of nothing, and empty tensors", () => {
      assert.deepEqual(
        ng
          .jit(() => ng.ones([2]).add(1))()
          .toArray(),
        [2, 2],
      );
      const empty = ng.jit((a: Tensor) => a.mul(2).add(ng.sum(a)))(ng.zeros([0, 3]));
      assert.deepEqual(empty.shape, [0, 3]);
    });

    test("runAsync gives what the call gives, and errors reject", async () => {
      ng.setBackend(backend);
      const f = ng.jit((a: Tensor) => ng.exp(a).sum());
      assert.equal((await f.runAsync(x)).item(), f(x).item());
      await assert.rejects(ng.jit((a: Tensor) => a.reshape([7])).runAsync(x), ng.ShapeError);
      ng.setBackend("reference");
    });
  });
}
