/** Reductions that read the same, in one pass over it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  fuseElementwise,
  type Graph,
  joinReductions,
  printGraph,
  reduceChains,
  type Tensor,
  verifyGraph,
} from "nagare/backend";
import { testedBackends } from "../generator/backends.ts";
import { cases, draw, dtypes } from "./reductionCases.ts";
import { compiledWithout, text, trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const limits = { maximalNodes: 64, maximalInputs: 24 };

function joined(graph: Graph): Graph {
  const result = joinReductions(reduceChains(fuseElementwise(graph, limits)), limits);
  verifyGraph(result, "after the pass");
  return result;
}

/** The number of results of each node that reduces. */
const counts = (graph: Graph): number[] =>
  joined(graph)
    .nodes.filter((node) => (node.body?.nodes ?? [node]).some(({ op }) => op.name.startsWith("reduce")))
    .map(({ outputs }) => outputs.length);

type Reduction = (x: Tensor, y: Tensor, axes: { readonly axis?: number }) => Tensor;
const sums: readonly Reduction[] = [
  (x, _, axes) => ng.sum(x, axes),
  (x, y, axes) => ng.sum(ng.mul(x, y), axes),
  (x, y, axes) => ng.sum(ng.square(ng.sub(x, y)), axes),
  (x, y, axes) => ng.sum(ng.minimum(x, y), axes),
];
const extremes: readonly Reduction[] = [
  (x, _, axes) => ng.max(x, axes),
  (x, y, axes) => ng.max(ng.sub(x, y), axes),
  (x, y, axes) => ng.max(ng.minimum(x, y), axes),
];

describe("siblings", () => {
  test("sums of one operand and of what is made of it become one node with several results", () => {
    const graph = trace([float32(4, 3), float32(4, 3)], (x, y) =>
      [sums[0], sums[1], sums[2]].map((sum) => sum?.(x as Tensor, y as Tensor, { axis: 0 }) as Tensor),
    );
    assert.equal(
      printGraph(joined(graph)),
      text(`
        graph(%0: float32[4, 3], %1: float32[4, 3]) -> (%2, %3, %4)
          %2: float32[3], %3: float32[3], %4: float32[3] = fusion(%0, %1)
            graph(%5: float32[4, 3], %6: float32[4, 3]) -> (%7, %9, %12)
              %7: float32[3] = reduceSum(%5, { axes: [0] })
              %8: float32[4, 3] = mul(%5, %6)
              %9: float32[3] = reduceSum(%8, { axes: [0] })
              %10: float32[4, 3] = sub(%5, %6)
              %11: float32[4, 3] = square(%10)
              %12: float32[3] = reduceSum(%11, { axes: [0] })
      `),
    );
  });

  test("at most four, of one kind, over the same axes, with a large operand in common, that do not wait for each other", () => {
    const avals = [float32(6, 5), float32(6, 5), float32(5)];
    type F = (x: Tensor, y: Tensor, row: Tensor) => readonly Tensor[];
    const of = (f: F) => counts(trace(avals, (x, y, row) => f(x as Tensor, y as Tensor, row as Tensor)));
    const [down, across] = [{ axis: 0 }, { axis: 1 }] as const;
    assert.deepEqual(
      of((x, y) => [ng.sum(x, down), ng.sum(y, down)]),
      [1, 1],
    );
    assert.deepEqual(
      of((x) => [ng.sum(x, down), ng.sum(x.square(), across)]),
      [1, 1],
    );
    assert.deepEqual(
      of((x) => [ng.sum(x, down), ng.max(x.neg(), down)]),
      [1, 1],
    );
    assert.deepEqual(
      of((x, y, row) => [ng.sum(x.mul(row), down), ng.sum(y.mul(row), down)]),
      [1, 1],
    );
    assert.deepEqual(
      of((x) => [ng.sum(x.sub(ng.sum(x, down)).square(), down)]),
      [1, 1],
    );
    const six = [1, 2, 3, 4, 5, 6];
    assert.deepEqual(
      of((x) => six.map((c) => ng.sum(x.mul(c).exp(), down))),
      [4, 2],
    );
    // What needs the first comes behind both; a later one that needs it in turn stays apart.
    assert.deepEqual(
      of((x, y) => {
        const [a, b] = [ng.sum(x, down), ng.sum(x.mul(y), down)];
        return [ng.sum(x.mul(a.exp()), down), b, a.add(1)];
      }),
      [2, 1],
    );
  });

  for (const backend of testedBackends) {
    for (const [name, reductions] of [
      ["sums", sums],
      ["maxima", extremes],
    ] as const) {
      test(`${name}: every bit as apart, ${backend}`, () => {
        ng.setBackend(backend);
        for (const dtype of dtypes) {
          for (const [i, [shape, axis]] of cases.entries()) {
            const elements = shape.reduce((a, b) => a * b, 1);
            if ((elements === 0 && name !== "sums") || (backend === "reference" && elements > 2000)) continue;
            const some = reductions.slice(0, 2 + (i % (reductions.length - 1)));
            const g = (x: Tensor, y: Tensor) => some.map((f) => f(x, y, axis === null ? {} : { axis }));
            const inputs = [draw(1, shape, dtype), draw(2, shape, dtype)] as const;
            const together = ng.jit(g)(...inputs);
            const apart = ng.jit(g, { withoutPasses: ["siblings"] })(...inputs);
            for (const [k, result] of together.entries()) {
              assert.deepEqual(
                result.dataSync(),
                apart[k]?.dataSync(),
                `${dtype} [${shape}] over ${axis}: ${k}`,
              );
            }
          }
        }
      });
    }
  }

  test("on the native backend they are one instruction", (t) => {
    const graph = trace([float32(64, 32), float32(64, 32)], (x, y) =>
      sums.map((sum) => sum(x as Tensor, y as Tensor, { axis: 0 })),
    );
    const compiled = compiledWithout(graph, "siblings");
    if (!compiled) return t.skip("the native engine is not built");
    assert.deepEqual([compiled.without.instructions.length, compiled.with.instructions.length], [4, 1]);
  });
});
