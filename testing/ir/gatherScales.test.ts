import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  eliminateDeadCode,
  type Graph,
  gatherScales,
  matmul,
  mul,
  neg,
  reduceSum,
  type Tensor,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const gather = (graph: Graph): Graph => eliminateDeadCode(gatherScales(graph));
const flags = { transposeA: false, transposeB: false };

describe("scale", () => {
  test("multiples of multiples are one multiple", () => {
    assertRewrites(
      trace([float32(8)], (x) => [mul(neg(mul(x as Tensor, 4)), 0.5)]),
      gather,
      `
      graph(%0: float32[8]) -> (%5)
        %1: constant float32[] 4
        %2: constant float32[] 0.5
        %3: float32[8] = mul(%0, %1)
        %4: float32[8] = neg(%3)
        %5: float32[8] = mul(%4, %2)
      `,
      `
      graph(%0: float32[8]) -> (%2)
        %1: constant float32[] -2
        %2: float32[8] = mul(%0, %1)
      `,
    );
  });

  test("a multiple of a product is taken of its smaller factor, a sum of multiples is a multiple of the sum", () => {
    assertRewrites(
      trace([float32(16, 4), float32(4, 16)], (x, y) => [
        mul(matmul(x as Tensor, y as Tensor, flags), 0.5),
        mul(reduceSum(mul(x as Tensor, 3), { axes: [0] }), 2),
      ]),
      gather,
      `
      graph(%0: float32[16, 4], %1: float32[4, 16]) -> (%6, %9)
        %2: constant float32[] 0.5
        %3: constant float32[] 3
        %4: constant float32[] 2
        %5: float32[16, 16] = matmul(%0, %1, { transposeA: false, transposeB: false })
        %6: float32[16, 16] = mul(%5, %2)
        %7: float32[16, 4] = mul(%0, %3)
        %8: float32[4] = reduceSum(%7, { axes: [0] })
        %9: float32[4] = mul(%8, %4)
      `,
      `
      graph(%0: float32[16, 4], %1: float32[4, 16]) -> (%5, %7)
        %2: constant float32[] 0.5
        %3: constant float32[] 6
        %4: float32[16, 4] = mul(%0, %2)
        %5: float32[16, 16] = matmul(%4, %1, { transposeA: false, transposeB: false })
        %6: float32[4] = reduceSum(%0, { axes: [0] })
        %7: float32[4] = mul(%6, %3)
      `,
    );
  });

  test("stays out where a product or a sum is read elsewhere, factors are large, or a constant might not fit", () => {
    const graphs = [
      trace([float32(16, 4), float32(4, 16)], (x, y) => {
        const product = matmul(x as Tensor, y as Tensor, flags);
        return [product, mul(product, 0.5)];
      }),
      trace([float32(4, 16), float32(16, 4)], (x, y) => [mul(matmul(x as Tensor, y as Tensor, flags), 0.5)]),
      trace([float32(8)], (x) => [mul(mul(x as Tensor, 1e15), 1e15)]),
      trace([float32(8)], (x) => {
        const multiple = mul(x as Tensor, 2);
        return [multiple, reduceSum(multiple, { axes: [0] })];
      }),
      trace([{ shape: [8], dtype: "int32" }], (x) => [mul(mul(x as Tensor, 3), 5)]),
    ];
    for (const graph of graphs) assert.deepEqual(gather(graph).nodes, graph.nodes);
  });

  for (const backend of testedBackends) {
    test(`values and gradients are those of multiples one by one, ${backend}`, () => {
      const x = ng.random.normal(ng.random.key(1), [4, 6]);
      const functions: readonly ((x: Tensor) => Tensor)[] = [
        (x) => x.mul(3).neg().mul(0.25).sum({ axis: 0 }).mul(2),
        (x) =>
          x
            .slice(null, [0, 2])
            .matmul(x.slice(null, [2, 4]).transpose())
            .mul(0.7)
            .mul(-2),
      ];
      onBackend(backend, () => {
        for (const f of functions) {
          for (const g of [f, ng.grad((x: Tensor) => f(x).sin().sum())]) {
            const plain = ng.jit(g, { withoutPasses: ["scale"] });
            assertClose(ng.jit(g)(x), plain(x), { kind: "relative", roundings: 64 }, "with the pass");
          }
        }
      });
    });
  }
});
