import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { builder, decomposeFused, printGraph, type Tensor } from "nagare/backend";
import { traceGraph } from "../../packages/nagare/src/transforms/index.ts";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertNear } from "../generator/compare.ts";

const x = ng.tensor([
  [0.5, -1, 2],
  [0, 3, 1],
]);

function softmaxGraph() {
  return traceGraph([x], ([input]) => ({
    outputs: builder.softmax([input as Tensor], {}),
    result: undefined,
  })).graph;
}

describe("a fused operation", () => {
  test("without a kernel becomes its decomposition", () => {
    const before = softmaxGraph();
    assert.match(printGraph(before), /%1: float32\[2, 3\] = softmax\(%0\)/);
    const after = printGraph(decomposeFused(before, () => false));
    assert.doesNotMatch(after, /softmax/);
    for (const name of ["reduceMax", "exp", "reduceSum", "div"])
      assert.match(after, new RegExp(` = ${name}\\(`));
  });

  test("with a kernel stays as it is", () => {
    const before = softmaxGraph();
    assert.equal(printGraph(decomposeFused(before, () => true)), printGraph(before));
  });

  test("is one instruction of the native backend, forward and backward", (t) => {
    if (!testedBackends.includes("native")) return t.skip("the native engine is not built");
    onBackend("native", () => {
      const loss = (input: Tensor) => builder.softmax([input], {})[0]?.mul(x).sum() ?? input.sum();
      const text = ng.printGraph(ng.grad(loss))(x);
      assert.equal(text.match(/ = softmax\(/g)?.length, 1, text);
      assert.equal(text.match(/ = softmaxGrad\(/g)?.length, 1, text);
    });
  });

  for (const backend of testedBackends) {
    test(`linearizes forward and backward alike on ${backend}`, () =>
      onBackend(backend, () => {
        const f = (input: Tensor) => ng.softmax(input);
        const tangent = ng.tensor([
          [1, 0, 0],
          [0, 2, 1],
        ]);
        const [, pushforward] = ng.linearize(f, x);
        const [, expected] = ng.jvp(f, [x], [tangent]);
        assertNear(pushforward(tangent) as Tensor, expected, 1e-6, "pushforward");
      }));

    test(`differentiates twice through its reverse rule on ${backend}`, () =>
      onBackend(backend, () => {
        const loss = (input: Tensor) => ng.softmax(input).square().sum();
        const slope = (input: Tensor) => (ng.grad(loss)(input) as Tensor).square().sum();
        const composed = (input: Tensor) => {
          const e = input.sub(2).exp();
          return e
            .div(e.sum({ axis: -1, keepDims: true }))
            .square()
            .sum();
        };
        const composedSlope = (input: Tensor) => (ng.grad(composed)(input) as Tensor).square().sum();
        const [actual, expected] = [ng.grad(slope)(x), ng.grad(composedSlope)(x)];
        assertNear(actual as Tensor, expected as Tensor, 1e-5, "second derivative");
      }));
  }
});
