import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { fuseEpilogues, type Graph, printGraph, type Tensor, verifyGraph } from "nagare/backend";
import { testedBackends } from "../generator/backends.ts";
import { compiledWithout, trace } from "./rewrites.ts";

const x = { shape: [4, 3], dtype: "float32" } as const;
const w = { shape: [3, 5], dtype: "float32" } as const;
const b = { shape: [5], dtype: "float32" } as const;

function operations(graph: Graph): string[] {
  return graph.nodes.map((node) =>
    node.body ? node.body.nodes.map(({ op }) => op.name).join("+") : node.op.name,
  );
}

/** Scales, biases, residuals and activations of full, pointwise and depthwise convolutions. */
function convolutionEpilogues(image: Tensor): (() => Tensor)[] {
  const draw = (i: number, ...shape: number[]): Tensor => ng.random.normal(ng.random.key(10 + i), shape);
  const [full, pointwise, depthwise] = [draw(0, 3, 3, 3, 4), draw(1, 1, 1, 3, 4), draw(2, 3, 3, 1, 3)];
  const [images, wide, window] = [draw(3, 2, 13, 13, 20), draw(4, 1, 1, 20, 70), draw(5, 3, 3, 20, 37)];
  return [
    () => ng.conv2d(image, full as Tensor),
    () => ng.conv2d(image, pointwise as Tensor),
    () => ng.conv2d(image, depthwise as Tensor, { groups: 3 }),
    // Several tiles of rows and of columns, the last of each with less in it.
    () => ng.conv2d(images as Tensor, wide as Tensor),
    // Through Winograd's points.
    () => ng.conv2d(images as Tensor, window as Tensor, { padding: "same" }),
  ].flatMap((convolve) => {
    const result = convolve();
    const residual = ng.random.normal(ng.random.key(20), result.shape as number[]);
    const scale = draw(21, Number(result.shape[3]));
    return [
      () => convolve().mul(scale),
      () => ng.relu6(convolve().mul(scale).add(scale)),
      () => convolve().add(residual).relu(),
      () => ng.relu6(convolve().mul(scale).add(scale).add(residual)),
      () => convolve().relu(),
    ];
  });
}

describe("epilogue", () => {
  test("a product, its bias and its rectifier become one node", () => {
    const graph = trace([x, w, b], (x, w, b) =>
      ng.relu(ng.add(ng.matmul(x as Tensor, w as Tensor), b as Tensor)),
    );
    const fused = fuseEpilogues(graph);
    verifyGraph(fused, "after the pass");
    assert.equal(
      printGraph(graph),
      `graph(%0: float32[4, 3], %1: float32[3, 5], %2: float32[5]) -> (%5)
  %3: float32[4, 5] = matmul(%0, %1, { transposeA: false, transposeB: false })
  %4: float32[4, 5] = add(%3, %2)
  %5: float32[4, 5] = relu(%4)`,
    );
    assert.equal(
      printGraph(fused),
      `graph(%0: float32[4, 3], %1: float32[3, 5], %2: float32[5]) -> (%3)
  %3: float32[4, 5] = fusion(%0, %1, %2)
    graph(%4: float32[4, 3], %5: float32[3, 5], %6: float32[5]) -> (%9)
      %7: float32[4, 5] = matmul(%4, %5, { transposeA: false, transposeB: false })
      %8: float32[4, 5] = add(%7, %6)
      %9: float32[4, 5] = relu(%8)`,
    );
  });

  test("a convolution takes a scale, a bias, a residual and a bounded rectifier", () => {
    const image = { shape: [1, 4, 4, 3], dtype: "float32" } as const;
    const filters = { shape: [1, 1, 3, 5], dtype: "float32" } as const;
    const residual = { shape: [1, 4, 4, 5], dtype: "float32" } as const;
    const graph = trace([image, filters, b, b, residual], (x, w, scale, bias, r) =>
      ng.relu6(
        ng
          .conv2d(x as Tensor, w as Tensor)
          .mul(scale as Tensor)
          .add(bias as Tensor)
          .add(r as Tensor),
      ),
    );
    const fused = fuseEpilogues(graph);
    verifyGraph(fused, "after the pass");
    assert.deepEqual(operations(fused), ["conv2d+mul+add+add+relu+minimum"]);
  });

  test("a bound other than 6 stays a pass of its own", () => {
    const image = { shape: [1, 4, 4, 3], dtype: "float32" } as const;
    const filters = { shape: [1, 1, 3, 5], dtype: "float32" } as const;
    const graph = trace([image, filters], (x, w) =>
      ng.minimum(ng.relu(ng.conv2d(x as Tensor, w as Tensor)), 5),
    );
    assert.deepEqual(operations(fuseEpilogues(graph)), ["conv2d+relu", "minimum"]);
  });

  test("sums that something else reads, and additions that are no bias, stay as they are", () => {
    const read = trace([x, w, b], (x, w, b) => {
      const sum = ng.matmul(x as Tensor, w as Tensor);
      return [ng.add(sum, b as Tensor), ng.exp(sum)];
    });
    assert.deepEqual(operations(fuseEpilogues(read)), operations(read));
    const residual = trace([x, w, { shape: [4, 5], dtype: "float32" }], (x, w, r) =>
      ng.add(ng.matmul(x as Tensor, w as Tensor), r as Tensor),
    );
    assert.deepEqual(operations(fuseEpilogues(residual)), operations(residual));
    const column = trace(
      [x, { shape: [3, 4], dtype: "float32" }, { shape: [4, 1], dtype: "float32" }],
      (x, w, c) => ng.add(ng.matmul(x as Tensor, w as Tensor), c as Tensor),
    );
    assert.deepEqual(operations(fuseEpilogues(column)), operations(column));
    const integers = trace(
      [x, w, b].map((aval) => ({ ...aval, dtype: "int32" as const })),
      (x, w, b) => ng.add(ng.matmul(x as Tensor, w as Tensor), b as Tensor),
    );
    assert.deepEqual(operations(fuseEpilogues(integers)), operations(integers));
  });

  for (const backend of testedBackends) {
    test(`fused products compute the same, ${backend}`, () => {
      ng.setBackend(backend);
      const [a, k, bias] = [ng.random.key(1), ng.random.key(2), ng.random.key(3)];
      const image = ng.random.normal(a, [2, 6, 6, 3]);
      const kernel = ng.random.normal(k, [3, 3, 3, 4]);
      const offset = ng.random.normal(bias, [4]);
      const cases: readonly (() => Tensor)[] = [
        () => ng.relu(ng.add(ng.conv2d(image, kernel), offset)),
        () => ng.add(offset, ng.conv2d(image, kernel, { strides: 2, padding: "same" })),
        () => ng.relu(ng.add(ng.matmul(image, ng.random.normal(k, [3, 4])), offset)),
        () => ng.add(ng.matmul(image.slice(0, 0), ng.random.normal(k, [3, 4])), offset),
        ...convolutionEpilogues(image),
        () =>
          ng.relu(ng.add(ng.matmul(ng.random.normal(a, [5, 2, 3]), ng.random.normal(k, [5, 3, 4])), offset)),
      ];
      for (const f of cases) {
        const [fused, plain] = [ng.jit(f)(), ng.withoutPasses(["epilogue", "fuse"], () => ng.jit(f)())];
        const difference = ng.max(ng.abs(ng.sub(fused, plain))).item();
        assert.ok(Number(difference) < 1e-5, `${f}: ${difference}`);
      }
    });
  }

  test("on the native backend the fused step has fewer instructions", (t) => {
    const graph = trace([x, w, b], (x, w, b) =>
      ng.relu(ng.add(ng.matmul(x as Tensor, w as Tensor), b as Tensor)),
    );
    const compiled = compiledWithout(graph, "epilogue", "finish");
    if (!compiled) return t.skip("the native engine is not built");
    assert.equal(compiled.without.instructions.length, 2);
    assert.equal(compiled.with.instructions.length, 1);
  });
});
