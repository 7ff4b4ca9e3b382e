import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  contractBatches,
  eliminateDeadCode,
  type Graph,
  matmul,
  reduceSum,
  type Tensor,
} from "nagare/backend";
import { assertRewrites, compiledWithout, trace } from "./rewrites.ts";

const contract = (graph: Graph): Graph => eliminateDeadCode(contractBatches(graph));
const rows = { shape: [4, 5, 2], dtype: "float32" } as const;
const columns = { shape: [4, 5, 3], dtype: "float32" } as const;
const flags = { transposeA: true, transposeB: false };

describe("contract", () => {
  test("a sum over a stack of products is one product of all rows", () => {
    assertRewrites(
      trace([rows, columns], (a, b) => [reduceSum(matmul(a, b, flags), { axes: [0] })]),
      contract,
      `
      graph(%0: float32[4, 5, 2], %1: float32[4, 5, 3]) -> (%3)
        %2: float32[4, 2, 3] = matmul(%0, %1, { transposeA: true, transposeB: false })
        %3: float32[2, 3] = reduceSum(%2, { axes: [0] })
      `,
      `
      graph(%0: float32[4, 5, 2], %1: float32[4, 5, 3]) -> (%4)
        %2: float32[20, 2] = reshape(%0, { shape: [20, 2] })
        %3: float32[20, 3] = reshape(%1, { shape: [20, 3] })
        %4: float32[2, 3] = matmul(%2, %3, { transposeA: true, transposeB: false })
      `,
    );
  });

  test("of several leading axes the last may be summed, and the others stay", () => {
    const wide = [rows, columns].map(({ shape, dtype }) => ({ shape: [6, ...shape], dtype }));
    assertRewrites(
      trace(wide, (a, b) => [reduceSum(matmul(a, b, flags), { axes: [1] })]),
      contract,
      `
      graph(%0: float32[6, 4, 5, 2], %1: float32[6, 4, 5, 3]) -> (%3)
        %2: float32[6, 4, 2, 3] = matmul(%0, %1, { transposeA: true, transposeB: false })
        %3: float32[6, 2, 3] = reduceSum(%2, { axes: [1] })
      `,
      `
      graph(%0: float32[6, 4, 5, 2], %1: float32[6, 4, 5, 3]) -> (%4)
        %2: float32[6, 20, 2] = reshape(%0, { shape: [6, 20, 2] })
        %3: float32[6, 20, 3] = reshape(%1, { shape: [6, 20, 3] })
        %4: float32[6, 2, 3] = matmul(%2, %3, { transposeA: true, transposeB: false })
      `,
    );
  });

  test("stays out where matrices are used twice, read elsewhere, not transposed, or summed within", () => {
    const one = { shape: [5, 3], dtype: "float32" } as const;
    const flat = { shape: [4, 2, 5], dtype: "float32" } as const;
    const wide = { shape: [6, 4, 5, 2], dtype: "float32" } as const;
    const graphs = [
      trace([rows, one], (a, b) => [reduceSum(matmul(a, b, flags), { axes: [0] })]),
      trace([rows, columns], (a, b) => {
        const products = matmul(a, b, flags);
        return [reduceSum(products, { axes: [0] }), products];
      }),
      trace([flat, columns], (a, b) => [
        reduceSum(matmul(a, b, { transposeA: false, transposeB: false }), { axes: [0] }),
      ]),
      trace([rows, columns], (a, b) => [reduceSum(matmul(a, b, flags), { axes: [0, 1] })]),
      trace([wide, wide], (a, b) => [reduceSum(matmul(a, b, flags), { axes: [0] })]),
    ];
    for (const graph of graphs) assert.equal(contractBatches(graph).nodes.length, graph.nodes.length);
  });

  const [weights, sequences] = [
    { shape: [64, 32], dtype: "float32" },
    { shape: [8, 16, 64], dtype: "float32" },
  ] as const;
  const loss = (w: Tensor, x: Tensor) => x.matmul(w).sin().sum();

  test("the sum of the gradients of examples needs no stack of gradients", (t) => {
    const each = ng.vmap(ng.grad(loss), { inAxes: [null, 0] });
    const graph = trace([weights, sequences], (w, x) => [
      (each(w as Tensor, x as Tensor) as Tensor).sum({ axis: 0 }),
    ]);
    const compiled = compiledWithout(graph, "contract");
    if (!compiled) return t.skip("the native engine is not built");
    assert.equal(compiled.with.instructions.length, compiled.without.instructions.length - 1);
    // The stack had a matrix of 64 × 32 for each of 8 examples, which was most of what lived at once.
    assert.ok(2 * compiled.with.arenaBytes <= compiled.without.arenaBytes, JSON.stringify(compiled));
  });

  test("the gradient of a dense layer over sequences never had one", () => {
    const graph = trace([weights, sequences], (w, x) => [ng.grad(loss)(w as Tensor, x as Tensor) as Tensor]);
    const shapes = graph.nodes.flatMap(({ outputs }) => outputs.map(({ shape }) => shape.join()));
    assert.ok(shapes.includes("64,32") && !shapes.includes("8,64,32"), shapes.join(" "));
  });
});
