import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { add, eliminateDeadCode, type Graph, matmul, sumProducts, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const join = (graph: Graph): Graph => eliminateDeadCode(sumProducts(graph));
const flags = { transposeA: true, transposeB: false };
const product = (a: Tensor | undefined, b: Tensor | undefined): Tensor =>
  matmul(a as Tensor, b as Tensor, flags);

describe("products", () => {
  test("a sum of products is one product of the factors side by side", () => {
    assertRewrites(
      trace([float32(1, 8), float32(1, 8), float32(2, 8), float32(2, 8), float32(8, 8)], (a, b, c, d, e) => [
        add(add(product(a, b), e as Tensor), product(c, d)),
      ]),
      join,
      `
      graph(%0: float32[1, 8], %1: float32[1, 8], %2: float32[2, 8], %3: float32[2, 8], %4: float32[8, 8]) -> (%8)
        %5: float32[8, 8] = matmul(%0, %1, { transposeA: true, transposeB: false })
        %6: float32[8, 8] = add(%5, %4)
        %7: float32[8, 8] = matmul(%2, %3, { transposeA: true, transposeB: false })
        %8: float32[8, 8] = add(%6, %7)
      `,
      `
      graph(%0: float32[1, 8], %1: float32[1, 8], %2: float32[2, 8], %3: float32[2, 8], %4: float32[8, 8]) -> (%8)
        %5: float32[3, 8] = concat(%2, %0, { axis: 0 })
        %6: float32[3, 8] = concat(%3, %1, { axis: 0 })
        %7: float32[8, 8] = matmul(%5, %6, { transposeA: true, transposeB: false })
        %8: float32[8, 8] = add(%7, %4)
      `,
    );
  });

  test("stays out where the factors are larger than the products, differ in layout, or are stacks", () => {
    const graphs = [
      trace([float32(8, 4), float32(8, 4)], (a, b) => [add(product(a, b), product(b, a))]),
      trace([float32(1, 8), float32(1, 8), float32(8, 1), float32(1, 8)], (a, b, c, d) => [
        add(product(a, b), matmul(c as Tensor, d as Tensor, { transposeA: false, transposeB: false })),
      ]),
      trace([float32(2, 1, 8), float32(2, 1, 8)], (a, b) => [add(product(a, b), product(b, a))]),
      trace([float32(1, 8), float32(1, 8)], (a, b) => {
        const first = product(a, b);
        return [first, add(first, product(b, a))];
      }),
    ];
    for (const graph of graphs) assert.deepEqual(join(graph).nodes, graph.nodes);
  });

  for (const backend of testedBackends) {
    test(`values and gradients are those of products one by one, ${backend}`, () => {
      const x = ng.random.normal(ng.random.key(1), [4, 6]);
      const functions: readonly ((x: Tensor) => Tensor)[] = [
        (x) =>
          [0, 1, 2]
            .map((i) => x.slice([i, i + 1]))
            .map((row) => row.transpose().matmul(row.sin()))
            .reduce((a, b) => a.add(b)),
        (x) => [0, 1, 2].reduce<Tensor>((y) => y.matmul(x.transpose().matmul(x)).sin(), x),
      ];
      onBackend(backend, () => {
        for (const f of functions) {
          for (const g of [f, ng.grad((x: Tensor) => f(x).sin().sum())]) {
            const plain = ng.jit(g, { withoutPasses: ["products"] });
            assertClose(ng.jit(g)(x), plain(x), { kind: "relative", roundings: 64 }, "with the pass");
          }
        }
      });
    });
  }
});
