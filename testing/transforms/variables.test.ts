import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Tensor, Variable } from "nagare";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const size = 1000;

/** A variable large enough to have storage of its own, all of whose elements are `value`. */
function filled(value: number): Variable {
  return ng.variable(ng.full([size], value));
}

/** The one number that all elements equal. */
function elementOf(x: Tensor): number {
  const elements = x.dataSync() as Float32Array;
  assert.ok(
    elements.every((element) => element === elements[0]),
    "all elements are equal",
  );
  return elements[0] ?? Number.NaN;
}

for (const backend of testedBackends) {
  describe(`variables on ${backend}`, () => {
    const fact = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

    fact("a variable assigned twice in one jitted call keeps the last value", () => {
      const v = filled(1);
      ng.jit(() => {
        v.assign(v.value.add(1));
        v.assign(v.value.mul(10));
      })();
      assert.equal(elementOf(v.value), 20);
    });

    fact("a read after an assignment gives what was assigned, before it what was there", () => {
      const v = filled(3);
      const step = ng.jit(() => {
        const before = v.value;
        v.assign(before.add(1));
        return [before, v.value, v.value.mul(2)];
      });
      for (const start of [3, 4, 5])
        assert.deepEqual(step().map(elementOf), [start, start + 1, 2 * start + 2]);
      assert.equal(elementOf(v.value), 6);
    });

    fact("an old handle keeps its value after updates in place", () => {
      const v = filled(0);
      const step = ng.jit(() => v.assign(v.value.add(1)));
      step();
      step();
      const old = v.value;
      step();
      const middle = v.value;
      step();
      step();
      assert.deepEqual([old, middle, v.value].map(elementOf), [2, 3, 5]);
    });

    fact("a tensor that became a variable's first value keeps its own", () => {
      const initial = ng.full([size], 7);
      const v = ng.variable(initial);
      const step = ng.jit(() => v.assign(v.value.mul(2)));
      step();
      step();
      assert.equal(elementOf(initial), 7);
      assert.equal(elementOf(v.value), 28);
    });

    fact("two variables swap", () => {
      const [a, b] = [filled(1), filled(2)];
      const swap = ng.jit(() => {
        const old = a.value;
        a.assign(b.value);
        b.assign(old);
      });
      for (let i = 0; i < 5; i++) swap();
      assert.deepEqual([elementOf(a.value), elementOf(b.value)], [2, 1]);
    });

    fact("each of two variables is computed from the other's old value", () => {
      const [a, b] = [filled(1), filled(10)];
      const step = ng.jit(() => {
        const [x, y] = [a.value, b.value];
        a.assign(y.add(1));
        b.assign(x.sub(1));
      });
      for (let i = 0; i < 4; i++) step();
      assert.deepEqual([elementOf(a.value), elementOf(b.value)], [1, 10]);
      step();
      assert.deepEqual([elementOf(a.value), elementOf(b.value)], [11, 0]);
    });

    fact("a variable that took another's value goes its own way afterwards", () => {
      const [a, b] = [filled(1), filled(5)];
      ng.jit(() => a.assign(b.value))();
      const step = ng.jit(() => b.assign(b.value.add(1)));
      step();
      step();
      assert.deepEqual([elementOf(a.value), elementOf(b.value)], [5, 7]);
      ng.jit(() => a.assign(a.value.mul(2)))();
      assert.deepEqual([elementOf(a.value), elementOf(b.value)], [10, 7]);
    });

    fact("two variables assigned one value do not share it", () => {
      const [a, b] = [filled(0), filled(0)];
      ng.jit((x: Tensor) => {
        const y = x.add(1);
        a.assign(y);
        b.assign(y);
        return y;
      })(ng.full([size], 2));
      const step = ng.jit(() => a.assign(a.value.add(100)));
      step();
      step();
      assert.deepEqual([elementOf(a.value), elementOf(b.value)], [203, 3]);
    });

    fact("a result that is also a variable's new value stays when the variable moves on", () => {
      const v = filled(1);
      const step = ng.jit(() => {
        v.assign(v.value.mul(2));
        return v.value;
      });
      const results = [step(), step(), step()];
      assert.deepEqual(results.map(elementOf), [2, 4, 8]);
    });

    fact(
      "a variable assigned to an argument keeps that argument's value, and leaves the argument alone",
      () => {
        const v = filled(0);
        const x = ng.full([size], 4);
        ng.jit((y: Tensor) => v.assign(y))(x);
        const step = ng.jit(() => v.assign(v.value.add(1)));
        step();
        step();
        assert.deepEqual([elementOf(x), elementOf(v.value)], [4, 6]);
      },
    );

    fact("functions compiled apart see each other's assignments", () => {
      const v = filled(1);
      const add = ng.jit(() => v.assign(v.value.add(1)));
      const double = ng.jit(() => v.assign(v.value.mul(2)));
      add();
      double();
      v.assign(v.value.add(0.5));
      double();
      add();
      assert.equal(elementOf(v.value), 10);
    });

    fact("a variable inside a function inside a function is state of the outermost", () => {
      const v = filled(1);
      const inner = ng.jit((x: Tensor) => {
        v.assign(v.value.add(x));
        return v.value;
      });
      const outer = ng.jit((x: Tensor) => inner(inner(x)));
      assert.equal(elementOf(outer(ng.full([size], 1))), 4);
      assert.equal(elementOf(v.value), 4);
    });

    fact("gradients with respect to variables, eager and compiled, through trees", () => {
      const parameters = { w: filled(3), rest: [filled(5)] };
      const loss = (p: typeof parameters, x: Tensor): Tensor =>
        ng.sum(
          p.w.value
            .mul(p.w.value)
            .mul(x)
            .add(p.rest[0]?.value ?? 0),
        );
      const gradient = ng.grad(loss);
      const x = ng.full([size], 2);
      for (const f of [gradient, ng.jit(gradient)]) {
        const { w, rest } = f(parameters, x) as unknown as { w: Tensor; rest: [Tensor] };
        assert.deepEqual([elementOf(w), elementOf(rest[0])], [12, 1]);
      }
    });

    fact("what is assigned while a gradient is taken is the value, without a derivative", () => {
      const [w, seen] = [filled(3), filled(0)];
      const loss = (): Tensor => {
        const y = w.value.mul(w.value);
        seen.assign(y);
        return ng.sum(y.mul(seen.value));
      };
      for (const step of [
        () => ng.grad(loss as (v: Variable) => Tensor)(w),
        ng.jit(() => ng.grad(loss as (v: Variable) => Tensor)(w)),
      ]) {
        seen.assign(ng.zeros([size]));
        // d/dw (w² · s) with s fixed at w² is 2·w·w² = 54.
        assert.equal(elementOf(step() as Tensor), 54);
        assert.equal(elementOf(seen.value), 9);
      }
    });

    fact("a training step in place: parameters, moments and a counter", () => {
      const [w, moment] = [filled(4), filled(0)];
      const steps = ng.variable(ng.tensor(0, { dtype: "int32" }));
      const step = ng.jit((x: Tensor) => {
        const [loss, gradient] = ng.valueAndGrad((v: Variable) => ng.mean(v.value.mul(v.value).mul(x)))(
          w,
        ) as [Tensor, Tensor];
        moment.assign(moment.value.mul(0.5).add(gradient.mul(size)));
        w.assign(w.value.sub(moment.value.mul(0.125)));
        steps.assign(steps.value.add(1));
        return loss;
      });
      let [expectedW, expectedMoment] = [4, 0];
      for (let i = 1; i <= 5; i++) {
        const loss = step(ng.ones([size])).item() as number;
        assert.ok(Math.abs(loss - expectedW ** 2) < 1e-4 * expectedW ** 2);
        expectedMoment = expectedMoment / 2 + 2 * expectedW;
        expectedW -= expectedMoment / 8;
        assert.ok(Math.abs(elementOf(w.value) - expectedW) < 1e-5);
        assert.equal(steps.value.item(), i);
      }
    });

    fact("a compiled function called while a gradient is taken passes the gradient on", () => {
      const w = filled(3);
      const square = ng.jit(() => w.value.mul(w.value));
      const loss = () => ng.sum(square());
      // Compiled before or not, it must not be a constant to the gradient.
      for (let i = 0; i < 2; i++) {
        const gradient = ng.grad(loss as (v: Variable) => Tensor)(w) as Tensor;
        assert.equal(elementOf(gradient), 6);
        assert.equal(elementOf(square()), 9);
      }
    });

    fact("a function that fails while it is traced changes no variable", () => {
      const v = filled(1);
      const failing = ng.jit((x: Tensor) => {
        v.assign(v.value.add(1));
        if (x.shape.length === 1) throw new RangeError("on purpose");
        return x;
      });
      assert.throws(() => failing(ng.ones([2])), RangeError);
      assert.equal(elementOf(v.value), 1);
      assert.equal(elementOf(ng.ones([3]).add(1)), 2);
      failing(ng.tensor(1));
      assert.equal(elementOf(v.value), 2);
    });

    test("asynchronous runs update variables in the order of the calls, and early readers wait", async () => {
      const v = filled(1);
      ng.setBackend(backend);
      const add = ng.jit((x: Tensor) => v.assign(v.value.add(x)));
      const double = ng.jit(() => v.assign(v.value.mul(2)));
      const one = ng.ones([size]);
      const runs: Promise<void>[] = [add.runAsync(one), double.runAsync(), add.runAsync(one)];
      const early = v.value;
      assert.equal(elementOf(early), 5);
      await Promise.all(runs);
      assert.equal(elementOf(v.value), 5);
      double();
      assert.deepEqual([elementOf(early), elementOf(v.value)], [5, 10]);
      assert.deepEqual(new Set((await v.value.data()) as Float32Array), new Set([10]));
      ng.setBackend("reference");
    });
  });
}

describe("what variables refuse", () => {
  ng.setBackend("reference");

  test("another shape or dtype, with both named", () => {
    const v = ng.variable(ng.zeros([2]), { name: "weights" });
    assert.throws(
      () => v.assign(ng.zeros([3])),
      (error: unknown) => {
        return (
          error instanceof ng.ShapeError && /weights has the shape \[2\]; received \[3\]/.test(error.message)
        );
      },
    );
    assert.throws(
      () => v.assign(ng.zeros([2], { dtype: "int32" })),
      (error: unknown) => {
        return error instanceof ng.DTypeError && /weights is float32; received int32/.test(error.message);
      },
    );
    assert.throws(() => ng.jit(() => v.assign(ng.zeros([1])))(), ng.ShapeError);
  });

  test("to be created while a function is traced", () => {
    assert.throws(
      () => ng.jit((x: Tensor) => ng.variable(x))(ng.ones([2])),
      (error: unknown) => {
        return error instanceof ng.TracerError && /Create them before/.test(error.message);
      },
    );
  });

  test("a value that exists for one example only", () => {
    const v = ng.variable(ng.tensor(0), { name: "total" });
    const f = ng.vmap((x: Tensor) => {
      v.assign(x);
      return x;
    });
    for (const run of [() => f(ng.ones([3])), () => ng.jit(f)(ng.ones([3]))]) {
      assert.throws(
        run,
        (error: unknown) => error instanceof ng.TracerError && /total.*vmap/.test(error.message),
      );
    }
    assert.equal(v.value.item(), 0);
  });
});
