import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  eliminateDeadCode,
  type Graph,
  joinNarrowProducts,
  matmul,
  type Tensor,
  transpose,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const join = (graph: Graph): Graph => eliminateDeadCode(joinNarrowProducts(graph));
const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const product = (a: Tensor | undefined, b: Tensor | undefined, transposeB = false): Tensor =>
  matmul(a as Tensor, b as Tensor, { transposeA: false, transposeB });

describe("narrow", () => {
  test("narrow products of one large factor are columns of one product", () => {
    assertRewrites(
      trace([float32(1024, 64), float32(2, 64), float32(3, 64)], (x, a, b) => [
        product(x, a, true),
        product(x, b, true),
      ]),
      join,
      `
      graph(%0: float32[1024, 64], %1: float32[2, 64], %2: float32[3, 64]) -> (%3, %4)
        %3: float32[1024, 2] = matmul(%0, %1, { transposeA: false, transposeB: true })
        %4: float32[1024, 3] = matmul(%0, %2, { transposeA: false, transposeB: true })
      `,
      `
      graph(%0: float32[1024, 64], %1: float32[2, 64], %2: float32[3, 64]) -> (%5, %6)
        %3: float32[5, 64] = concat(%1, %2, { axis: 0 })
        %4: float32[1024, 5] = matmul(%0, %3, { transposeA: false, transposeB: true })
        %5: float32[1024, 2] = slice(%4, { starts: [0, 0], limits: [1024, 2], strides: [1, 1] })
        %6: float32[1024, 3] = slice(%4, { starts: [0, 2], limits: [1024, 5], strides: [1, 1] })
      `,
    );
  });

  test("stays out where products are wide, the factor small, layouts differ, or one needs the other", () => {
    const graphs = [
      trace([float32(1024, 64), float32(64, 16), float32(64, 16)], (x, a, b) => [
        product(x, a),
        product(x, b),
      ]),
      trace([float32(64, 64), float32(64, 2), float32(64, 3)], (x, a, b) => [product(x, a), product(x, b)]),
      trace([float32(1024, 64), float32(64, 2), float32(2, 64)], (x, a, b) => [
        product(x, a),
        product(x, b, true),
      ]),
      trace([float32(256, 256), float32(256, 4)], (x, a) => [product(x, product(x, a))]),
      trace([float32(1024, 64), float32(64, 2)], (x, a) => {
        const first = product(x, a);
        return [product(x, matmul(x as Tensor, first, { transposeA: true, transposeB: false }))];
      }),
    ];
    for (const graph of graphs) assert.deepEqual(join(graph).nodes, graph.nodes);
  });

  test("factors that are made between the products stay alone, those made before them are joined", () => {
    const graph = trace([float32(1024, 64), float32(2, 64)], (x, a) => {
      const before = transpose(a as Tensor, { permutation: [1, 0] });
      const first = product(x, before);
      return [first, product(x, before.add(first.sum())), product(x, before)];
    });
    const products = join(graph).nodes.filter(({ op }) => op.name === "matmul");
    assert.deepEqual(
      products.map(({ outputs: [y] }) => y?.shape),
      [
        [1024, 4],
        [1024, 2],
      ],
    );
  });

  for (const backend of testedBackends) {
    test(`values and gradients are those of products one by one, ${backend}`, () => {
      const [x, a, b] = [ng.ones([1024, 64]), ng.ones([64, 3]), ng.ones([64, 1])].map((like, i) =>
        ng.random.normal(ng.random.key(i), like.shape),
      ) as [Tensor, Tensor, Tensor];
      const loss = (a: Tensor, b: Tensor) => x.matmul(a).mul(x.matmul(b)).sin().sum();
      const slopes = (a: Tensor, b: Tensor) =>
        ng.grad(loss, { argnums: [0, 1] })(a, b) as unknown as Tensor[];
      onBackend(backend, () => {
        const plain = ng.jit(slopes, { withoutPasses: ["narrow"] })(a, b);
        ng.jit(slopes)(a, b).forEach((slope, i) => {
          assertClose(slope, plain[i] as Tensor, { kind: "relative", roundings: 64 }, "with the pass");
        });
      });
    });
  }
});
