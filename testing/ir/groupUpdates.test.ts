import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { add, exp, groupUpdates, mul, reduceSum, sub, type Tensor, withoutPasses } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, compiledWithout, trace } from "./rewrites.ts";

const { optim } = ng;
const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });

const shapes: readonly (readonly number[])[] = [[], [0], [1], [7], [513], [100, 70], [3, 3000]];

/** Parameters of many sizes after three steps of an optimizer, with everything the step keeps. */
function trained(make: () => ng.optim.Optimizer, dtype: ng.DType): Tensor[] {
  const normal = (i: number, shape: readonly number[]) =>
    ng.random.normal(ng.random.key(i), shape).astype(dtype);
  const parameters = shapes.map((shape, i) => ng.variable(normal(i, shape)));
  const gradients = shapes.map((shape, i) => normal(i + shapes.length, shape));
  const optimizer = make();
  const step = ng.jit((...gradients: Tensor[]) => {
    optimizer.apply(parameters, gradients);
    return [];
  });
  for (let i = 0; i < 3; i++) step(...gradients);
  const state = optimizer.stateFor(parameters.map((variable, i) => ({ path: `${i}`, variable })));
  return [...parameters, ...state.values()].map((variable) => variable.value);
}

describe("group", () => {
  test("updates that differ in their shape alone become one node, others do not", () => {
    assertRewrites(
      trace([float32(2, 3), float32(2, 3), float32(4), float32(4), float32()], (a, da, b, db, rate) => [
        sub(a as Tensor, mul(rate as Tensor, da as Tensor)),
        mul(a as Tensor, 2),
        sub(b as Tensor, mul(rate as Tensor, db as Tensor)),
        mul(b as Tensor, 3),
      ]),
      groupUpdates,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3], %2: float32[4], %3: float32[4], %4: float32[]) -> (%8, %9, %11, %12)
        %5: constant float32[] 2
        %6: constant float32[] 3
        %7: float32[2, 3] = mul(%4, %1)
        %8: float32[2, 3] = sub(%0, %7)
        %9: float32[2, 3] = mul(%0, %5)
        %10: float32[4] = mul(%4, %3)
        %11: float32[4] = sub(%2, %10)
        %12: float32[4] = mul(%2, %6)
      `,
      `
      graph(%0: float32[2, 3], %1: float32[2, 3], %2: float32[4], %3: float32[4], %4: float32[]) -> (%10, %8, %11, %18)
        %5: constant float32[] 2
        %6: constant float32[] 3
        %7: float32[2, 3] = mul(%4, %1)
        %8: float32[2, 3] = mul(%0, %5)
        %9: float32[4] = mul(%4, %3)
        %10: float32[2, 3], %11: float32[4] = group(%0, %7, %2, %9)
          graph(%12: float32[2, 3], %13: float32[2, 3], %14: float32[4], %15: float32[4]) -> (%16, %17)
            %16: float32[2, 3] = sub(%12, %13)
            %17: float32[4] = sub(%14, %15)
        %18: float32[4] = mul(%2, %6)
      `,
    );
  });

  test("what something reads, and what repeats an operand along an axis, stays as it is", () => {
    const graphs = [
      trace([float32(2), float32(3)], (a, b) => [
        reduceSum(exp(a as Tensor), { axes: [0] }),
        reduceSum(exp(b as Tensor), { axes: [0] }),
      ]),
      trace([float32(2, 3), float32(3), float32(4, 5), float32(5)], (a, b, c, d) => [
        add(a as Tensor, b as Tensor),
        add(c as Tensor, d as Tensor),
      ]),
    ];
    for (const graph of graphs) assert.deepEqual(groupUpdates(graph).nodes, graph.nodes);
  });

  test("an optimizer's update of all parameters and moments is one instruction", (t) => {
    const parameters = shapes.map((shape) => ng.variable(ng.zeros(shape)));
    const optimizer = optim.adam();
    const { graph } = ng.traceGraph(
      shapes.map((shape) => float32(...shape)),
      (gradients) => {
        optimizer.apply(parameters, gradients);
        return { outputs: [], result: undefined };
      },
    );
    const compiled = compiledWithout(graph, "group");
    if (!compiled) return t.skip("the native engine is not built");
    const fewer = compiled.without.instructions.length - compiled.with.instructions.length;
    // Those of [] take their scalars as they are, those of [0] nothing: five others.
    assert.equal(fewer, 4, compiled.with.instructions.join("\n"));
  });

  for (const backend of testedBackends) {
    for (const dtype of ["float32", "float64", "bfloat16"] as const) {
      test(`optimizers give the same with one instruction as with many, ${dtype}, ${backend}`, () => {
        const optimizers = [
          () => optim.sgd(0.1),
          () => optim.sgd(0.1, { momentum: 0.9, nesterov: true }),
          () => optim.adam(0.01),
          () => optim.adamw(0.01),
        ];
        onBackend(backend, () => {
          for (const make of optimizers) {
            const apart = withoutPasses(["group"], () => trained(make, dtype));
            trained(make, dtype).forEach((value, i) => {
              // A chain of one element rounds its products before it adds them.
              assertClose(value, apart[i] as Tensor, { kind: "relative", roundings: 4 }, `variable ${i}`);
            });
          }
        });
      });
    }

    test(`members of a group that read each other's old values do not see the new ones, ${backend}`, () => {
      onBackend(backend, () => {
        const [a, b] = [ng.variable(ng.tensor([1, 2])), ng.variable(ng.tensor([10, 20, 30]))];
        const [c, d] = [ng.variable(ng.tensor([5, 6])), ng.variable(ng.tensor([7, 8, 9]))];
        const step = ng.jit(() => {
          const [oldA, oldB] = [a.value, b.value];
          a.assign(oldA.add(c.value));
          c.assign(c.value.add(oldA));
          b.assign(oldB.add(d.value));
          d.assign(d.value.add(oldB));
        });
        for (let i = 0; i < 3; i++) step();
        assert.deepEqual(
          [a, b, c, d].map((v) => v.value.toArray()),
          [
            [24, 32],
            [68, 112, 156],
            [24, 32],
            [68, 112, 156],
          ],
        );
      });
    });
  }
});
