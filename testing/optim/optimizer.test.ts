import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";

const { optim, DTypeError, ShapeError, ValueError } = ng;

const refusals: readonly (readonly [what: string, act: () => unknown, says: RegExp])[] = [
  ["a rate of 0", () => optim.sgd(0), /sgd.*above 0.*received 0/],
  ["a negative rate", () => optim.adam(-1e-3), /adam.*received -0.001/],
  ["a rate of NaN", () => optim.adamw(Number.NaN), /adamw.*received NaN/],
  ["a rate that is text", () => optim.sgd("fast" as never), /sgd.*received fast/],
  ["a momentum of 1", () => optim.sgd(0.1, { momentum: 1 }), /momentum.*received 1/],
  ["nesterov without momentum", () => optim.sgd(0.1, { nesterov: true }), /momentum above 0/],
  ["a beta of 1", () => optim.adam(0.1, { beta2: 1 }), /beta2.*received 1/],
  ["an epsilon of 0", () => optim.adam(0.1, { epsilon: 0 }), /epsilon above 0/],
  ["a negative weight decay", () => optim.adamw(0.1, { weightDecay: -1 }), /adamw.*weightDecay.*-1/],
];

describe("bad options are refused", () => {
  for (const [what, act, says] of refusals) {
    test(what, () => {
      assert.throws(act, (error: Error) => error instanceof ValueError && says.test(error.message));
    });
  }
});

/** The optimizers with every kind of state, and the number of slots they keep for a variable. */
const kinds: readonly (readonly [name: string, make: () => ng.optim.Optimizer, slots: number])[] = [
  ["sgd", () => optim.sgd(0.1), 0],
  ["sgd with momentum", () => optim.sgd(0.1, { momentum: 0.9, nesterov: true }), 1],
  ["adam", () => optim.adam(0.1), 2],
  ["adamw", () => optim.adamw(0.1, { weightDecay: 1e-3 }), 2],
];

for (const [name, make, slots] of kinds) {
  describe(name, () => {
    test("finds the minimum of a quadratic", () => {
      const optimizer = make();
      const w = ng.variable(ng.tensor([3, -2]));
      const target = ng.tensor([1, 2]);
      const loss = (v: ng.Variable) => v.value.sub(target).square().sum();
      const step = ng.jit(() => {
        optimizer.apply([w], [ng.grad(loss)(w)]);
        return ng.tensor(0);
      });
      for (let i = 0; i < 300; i++) step();
      assert.ok(Number(w.value.sub(target).abs().max().item()) < 0.15);
      assert.equal(optimizer.steps.value.item(), 300);
    });

    test("compiled and eager steps are equal", () => {
      const paths = [false, true].map((compiled) => {
        const optimizer = make();
        const w = ng.variable(ng.tensor([3, -2, 0.5]));
        const apply = (gradient: ng.Tensor) => {
          optimizer.apply([w], [gradient]);
          return w.value;
        };
        const step = compiled ? ng.jit(apply) : apply;
        return [1, -2, 0.25].map((factor) => step(ng.tensor([1, 2, -4]).mul(factor)));
      });
      const [eager, compiled] = paths.map((path) => ng.stack(path)) as [ng.Tensor, ng.Tensor];
      assert.ok(Number(eager.sub(compiled).abs().max().item()) < 1e-6);
    });

    test("eager steps update all variables in one program, and leave what was handed out as it was", () => {
      const optimizer = make();
      const [one, other] = [0, 1].map((first) =>
        Array.from({ length: 3 }, (_, i) => ng.variable(ng.tensor([first, i]))),
      ) as [ng.Variable[], ng.Variable[]];
      const gradients = one.map((_, i) => ng.tensor([1, i]));
      // The first call of each set is compiled.
      for (const variables of [one, other]) optimizer.apply(variables, gradients);
      const before = one.map(({ value }) => value);
      const numbers = before.map((value) => value.toArray());
      const { profile } = ng.profile(() => {
        for (const variables of [one, other, one]) optimizer.apply(variables, gradients);
      });
      assert.match(String(profile), /calls of programs: 3\b/);
      assert.deepEqual(
        before.map((value) => value.toArray()),
        numbers,
      );
      assert.equal(optimizer.steps.value.item(), 5);
      for (const [i, value] of before.entries())
        assert.notDeepEqual(one[i]?.value.toArray(), value.toArray());
    });

    test("all its state is listed for checkpoints", () => {
      const optimizer = make();
      const parameters = ["a", "b"].map((path) => ({ path, variable: ng.variable(ng.ones([2])) }));
      optimizer.apply(
        parameters.map(({ variable }) => variable),
        [ng.ones([2]), ng.ones([2])],
      );
      const state = optimizer.stateFor(parameters);
      assert.equal(state.size, 2 + 2 * slots);
      assert.equal(new Set(state.values()).size, state.size);
      assert.deepEqual([...state.keys()].slice(0, 2), ["steps", "learningRate"]);
    });

    for (const dtype of ["float16", "bfloat16"] as const) {
      test(`${dtype} variables stay so, and their state is float32`, () => {
        const optimizer = make();
        const variable = ng.variable(ng.ones([2], { dtype }));
        // Squared it is beyond float16.
        optimizer.apply([variable], [ng.full([2], 300, { dtype })]);
        assert.equal(variable.dtype, dtype);
        const values = variable.value.astype("float32");
        assert.ok(Number(values.less(1).all().item()));
        for (const [path, slot] of optimizer.stateFor([{ path: "w", variable }])) {
          if (path.startsWith("w.")) assert.equal(slot.dtype, "float32");
        }
      });
    }
  });
}

describe("apply", () => {
  const w = ng.variable(ng.ones([2]), { name: "w" });
  const count = ng.variable(ng.zeros([2], { dtype: "int32" }), { name: "count" });
  const cases = [
    ["too few gradients", [w], [], ShapeError, /each of 1 variables; received 0/],
    [
      "a gradient of another shape",
      [w],
      [ng.ones([3])],
      ShapeError,
      /of w, float32\[2\]; received float32\[3\]/,
    ],
    ["an integer variable", [count], [ng.ones([2])], DTypeError, /int32\[2\] \(count\)/],
    ["integer gradients", [w], [ng.zeros([2], { dtype: "int32" })], DTypeError, /int32\[2\]/],
  ] as const;
  for (const [what, variables, gradients, kind, says] of cases) {
    test(`${what} changes nothing`, () => {
      const optimizer = optim.adam();
      const [all, others] = [
        [ng.variable(1), ...variables],
        [ng.tensor(1), ...gradients],
      ];
      assert.throws(
        () => optimizer.apply(all, others),
        (error: Error) => error instanceof kind && (what === "too few gradients" || says.test(error.message)),
      );
      assert.equal(optimizer.steps.value.item(), 0);
      assert.equal(all[0]?.value.item(), 1);
      assert.deepEqual(w.value.toArray(), [1, 1]);
    });
  }
});

describe("the learning rate", () => {
  test("may be assigned between calls of a compiled step", () => {
    const optimizer = optim.sgd(1);
    const w = ng.variable(0);
    const step = ng.jit(() => {
      optimizer.apply([w], [ng.tensor(-1)]);
      return w.value;
    });
    step();
    optimizer.learningRate.assign(0.25);
    step();
    assert.equal(w.value.item(), 1.25);
  });

  test("a schedule gets the number of updates done before, also compiled", () => {
    const seen: number[] = [];
    for (const compiled of [false, true]) {
      const optimizer = optim.sgd((step) => step.add(1).mul(0.5));
      const w = ng.variable(0);
      const apply = () => {
        optimizer.apply([w], [ng.tensor(-1)]);
        return optimizer.learningRate.value;
      };
      const step = compiled ? ng.jit(apply) : apply;
      for (let i = 0; i < 3; i++) seen.push(Number(step().item()));
      assert.equal(w.value.item(), 3);
    }
    assert.deepEqual(seen, [0.5, 1, 1.5, 0.5, 1, 1.5]);
  });

  test("a schedule that gives no scalar is refused", () => {
    const optimizer = optim.sgd(() => ng.ones([2]));
    assert.throws(() => optimizer.apply([ng.variable(1)], [ng.tensor(1)]), ShapeError);
  });
});

test("a subclass that does not say otherwise may change its mind between eager steps", () => {
  class Moody extends optim.Optimizer {
    sign = 1;
    protected override readonly slotNames = [];
    protected override update({ value, gradient, rate }: ng.optim.Update): ng.Tensor {
      return value.sub(rate.mul(gradient).mul(this.sign));
    }
  }
  const optimizer = new Moody(1, "moody");
  const w = ng.variable(1);
  optimizer.apply([w], [ng.tensor(2)]);
  optimizer.sign = -1;
  optimizer.apply([w], [ng.tensor(2)]);
  assert.equal(w.value.item(), 1);
});

test("a subclass with a slot of its own works as the others do", () => {
  /** Adagrad. */
  class Adagrad extends optim.Optimizer {
    protected override readonly slotNames = ["sum"];
    protected override update({ value, gradient, rate, slot }: ng.optim.Update): ng.Tensor {
      const sum = slot("sum");
      const next = sum.value.add(gradient.square());
      sum.assign(next);
      return value.sub(rate.mul(gradient).div(next.sqrt().add(1e-7)));
    }
  }
  const optimizer = new Adagrad(1, "adagrad");
  const w = ng.variable(ng.tensor([1, 1]), { name: "w" });
  optimizer.apply([w], [ng.tensor([2, -4])]);
  optimizer.apply([w], [ng.tensor([2, -4])]);
  const expected = 1 - 1 - 1 / Math.SQRT2;
  const [first, second] = w.value.toArray() as number[];
  assert.ok(Math.abs(Number(first) - expected) < 1e-6 && Math.abs(Number(second) - (2 - expected)) < 1e-6);
  assert.deepEqual(
    [...optimizer.stateFor([{ path: "w", variable: w }]).keys()],
    ["steps", "learningRate", "w.sum"],
  );
});
