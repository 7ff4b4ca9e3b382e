import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { eliminateDeadCode, foldNormalization, type Graph, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, compiledWithout, trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const fold = (graph: Graph): Graph => eliminateDeadCode(foldNormalization(graph));
const avals = [float32(1, 4, 4, 2), float32(1, 1, 2, 3), float32(3), float32(3), float32(3)];

/** A convolution, normalized by known statistics. */
const normalized = (x: Tensor, w: Tensor, mean: Tensor, factor: Tensor, offset: Tensor): Tensor =>
  ng.conv2d(x, w).sub(mean).mul(factor).add(offset);

const normalizedGraph = (): Graph =>
  trace(avals, (...[x, w, mean, factor, offset]) => [
    normalized(x as Tensor, w as Tensor, mean as Tensor, factor as Tensor, offset as Tensor),
  ]);

describe("normalize", () => {
  test("a convolution's normalization becomes a factor and an offset for each channel", () => {
    const convolution =
      "conv2d(%0, %1, { strides: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 })";
    assertRewrites(
      normalizedGraph(),
      fold,
      `
      graph(%0: float32[1, 4, 4, 2], %1: float32[1, 1, 2, 3], %2: float32[3], %3: float32[3], %4: float32[3]) -> (%8)
        %5: float32[1, 4, 4, 3] = ${convolution}
        %6: float32[1, 4, 4, 3] = sub(%5, %2)
        %7: float32[1, 4, 4, 3] = mul(%6, %3)
        %8: float32[1, 4, 4, 3] = add(%7, %4)
      `,
      `
      graph(%0: float32[1, 4, 4, 2], %1: float32[1, 1, 2, 3], %2: float32[3], %3: float32[3], %4: float32[3]) -> (%10)
        %5: float32[1, 4, 4, 3] = ${convolution}
        %6: float32[3] = mul(%2, %3)
        %7: float32[3] = neg(%6)
        %8: float32[1, 4, 4, 3] = mul(%5, %3)
        %9: float32[3] = add(%7, %4)
        %10: float32[1, 4, 4, 3] = add(%8, %9)
      `,
    );
  });

  test("a convolution that something else reads keeps its normalization", () => {
    const graph = trace(avals, (...[x, w, mean, factor]) => {
      const sum = ng.conv2d(x as Tensor, w as Tensor);
      return [sum.sub(mean as Tensor).mul(factor as Tensor), sum.exp()];
    });
    assert.deepEqual(
      fold(graph).nodes.map(({ op }) => op.name),
      graph.nodes.map(({ op }) => op.name),
    );
  });

  test("on the native backend, normalization and activation leave no pass of their own", (t) => {
    const compiled = compiledWithout(normalizedGraph(), "normalize");
    if (!compiled) return t.skip("the native engine is not built");
    assert.ok(compiled.with.instructions.some((line) => line.startsWith("fusion (conv2d, mul, add)")));
    assert.ok(compiled.without.instructions.some((line) => line.startsWith("conv2d")));
  });

  for (const backend of testedBackends) {
    test(`a network at inference computes the same, ${backend}`, () => {
      onBackend(backend, () => {
        const { nn } = ng;
        const layer = nn.sequential([
          nn.conv2d({ filters: 9, kernelSize: 3, useBias: false }),
          nn.batchNormalization(),
          nn.activationLayer("relu6"),
          nn.depthwiseConv2d({ kernelSize: 3, padding: "same", useBias: false }),
          nn.batchNormalization(),
          nn.activationLayer("relu"),
        ]);
        const x = ng.random.normal(ng.random.key(1), [2, 7, 7, 5]);
        layer.call(x, { training: true });
        layer.variables().forEach((variable, i) => {
          variable.assign(
            ng.random.uniform(ng.random.key(i), variable.shape as number[], { low: 0.5, high: 2 }),
          );
        });
        const infer = () => ng.jit((x: Tensor) => layer.call(x))(x);
        assertClose(
          infer(),
          ng.withoutPasses(["normalize", "epilogue"], infer),
          { kind: "relative", roundings: 256 },
          "folded",
        );
      });
    });
  }
});
