import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  type DType,
  finishProducts,
  fuseElementwise,
  fuseEpilogues,
  type Graph,
  printGraph,
  type Tensor,
  verifyGraph,
} from "nagare/backend";
import { testedBackends } from "../generator/backends.ts";
import { compiledWithout, trace } from "./rewrites.ts";

const x = { shape: [4, 3], dtype: "float32" } as const;
const w = { shape: [3, 5], dtype: "float32" } as const;
const r = { shape: [4, 5], dtype: "float32" } as const;

function finished(graph: Graph): Graph {
  const result = finishProducts(
    fuseElementwise(fuseEpilogues(graph), { maximalNodes: 64, maximalInputs: 24 }),
  );
  verifyGraph(result, "after the pass");
  return result;
}

const draw = (key: number, shape: readonly number[], dtype: DType): Tensor =>
  ng.random.normal(ng.random.key(key), shape).astype(dtype);

/** Sizes of products of every kind: tiles, few rows and columns, many columns for their rows, stacks, sums in slices, and none. */
const sizes: readonly (readonly [a: readonly number[], b: readonly number[]])[] = [
  [
    [70, 33],
    [33, 100],
  ],
  [
    [300, 40],
    [40, 700],
  ],
  [
    [40, 33],
    [33, 200],
  ],
  [
    [40, 700],
    [700, 208],
  ],
  [
    [1, 64],
    [64, 900],
  ],
  [
    [900, 64],
    [64, 1],
  ],
  [
    [130, 20],
    [20, 10],
  ],
  [
    [6, 40, 24],
    [6, 24, 40],
  ],
  [
    [3, 5, 9, 8],
    [8, 24],
  ],
  [
    [16, 8200],
    [8200, 16],
  ],
  [
    [9, 0],
    [0, 7],
  ],
];

const chains: readonly (readonly [name: string, f: (y: Tensor, dtype: DType) => Tensor])[] = [
  ["gelu", (y) => ng.gelu(y)],
  ["gelu by tanh", (y) => ng.gelu(y, { approximate: true })],
  ["sigmoid of the sum times the sum", (y) => ng.mul(y, ng.sigmoid(y))],
  ["tanh of scaled sums", (y) => ng.tanh(ng.mul(y, 0.125))],
  ["a residual", (y, dtype) => ng.add(draw(7, y.shape as number[], dtype), y)],
  [
    "a number for each row",
    (y, dtype) => ng.exp(ng.sub(y, draw(8, [...(y.shape.slice(0, -1) as number[]), 1], dtype)).mul(0.01)),
  ],
  [
    "a bias, a rectifier and a matrix for the whole stack",
    (y, dtype) =>
      ng.sub(
        ng.relu(ng.add(y, draw(9, y.shape.slice(-1) as number[], dtype))),
        draw(10, y.shape.slice(-2) as number[], dtype),
      ),
  ],
];

describe("finish", () => {
  test("a product and what alone reads it become one node, at the place of the last", () => {
    const graph = trace([x, w, r], (x, w, r) => {
      const sum = ng.matmul(x as Tensor, w as Tensor);
      return ng.add(ng.tanh(sum), ng.neg(r as Tensor));
    });
    assert.equal(
      printGraph(finished(graph)),
      `graph(%0: float32[4, 3], %1: float32[3, 5], %2: float32[4, 5]) -> (%3)
  %3: float32[4, 5] = fusion(%0, %1, %2)
    graph(%4: float32[4, 3], %5: float32[3, 5], %6: float32[4, 5]) -> (%10)
      %7: float32[4, 5] = matmul(%4, %5, { transposeA: false, transposeB: false })
      %8: float32[4, 5] = tanh(%7)
      %9: float32[4, 5] = neg(%6)
      %10: float32[4, 5] = add(%8, %9)`,
    );
  });

  test("of two products in one sum the last is finished", () => {
    const graph = finished(
      trace([x, w], (x, w) => {
        const other = ng.matmul(ng.neg(x as Tensor), w as Tensor);
        return ng.add(ng.matmul(x as Tensor, w as Tensor), other);
      }),
    );
    assert.deepEqual(
      graph.nodes.map(({ body, op }) => body?.nodes.map(({ op }) => op.name).join("+") ?? op.name),
      ["neg", "matmul", "matmul+add"],
    );
  });

  test("products that something else reads, and results of other dtypes or shapes, stay as they are", () => {
    const graphs = [
      trace([x, w], (x, w) => {
        const sum = ng.matmul(x as Tensor, w as Tensor);
        return [ng.tanh(sum), sum];
      }),
      trace([x, w], (x, w) => ng.matmul(x as Tensor, w as Tensor).astype("int32")),
      trace([x, w], (x, w) => ng.matmul(x as Tensor, w as Tensor).astype("float16")),
      trace([x, w, { shape: [2, 4, 5], dtype: "float32" }], (x, w, r) =>
        ng.add(ng.matmul(x as Tensor, w as Tensor), r as Tensor),
      ),
    ];
    for (const graph of graphs) {
      const names = finished(graph).nodes.map(({ op }) => op.name);
      assert.ok(names.includes("matmul"), printGraph(graph));
    }
  });

  for (const backend of testedBackends) {
    for (const [name, chain] of chains) {
      test(`${name}: the same as apart from the product, ${backend}`, () => {
        ng.setBackend(backend);
        for (const dtype of ["float32", "float64"] as const) {
          for (const [a, b] of sizes) {
            if (backend === "reference" && a.includes(8200)) continue;
            const f = (a: Tensor, b: Tensor) => chain(ng.matmul(a, b), dtype);
            const inputs = [draw(1, a, dtype), draw(2, b, dtype)] as const;
            const together = ng.jit(f)(...inputs);
            const apart = ng.jit(f, { withoutPasses: ["finish"] })(...inputs);
            const difference = Number(ng.max(ng.abs(ng.sub(together, apart)), {}).item());
            assert.ok(difference <= 1e-6, `${dtype} [${a}] · [${b}]: ${difference}`);
          }
        }
      });
    }
  }

  test("on the native backend the finished product is one instruction less", (t) => {
    const graph = trace([x, w, r], (x, w, r) =>
      ng.add(r as Tensor, ng.gelu(ng.matmul(x as Tensor, w as Tensor))),
    );
    const compiled = compiledWithout(graph, "finish");
    if (!compiled) return t.skip("the native engine is not built");
    assert.equal(compiled.with.instructions.length, 1);
    assert.equal(compiled.without.instructions.length, 2);
  });
});
