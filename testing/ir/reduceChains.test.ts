import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  type DType,
  fuseElementwise,
  type Graph,
  printGraph,
  reduceChains,
  type Tensor,
  verifyGraph,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { cases, draw, dtypes } from "./reductionCases.ts";
import { compiledWithout, text, trace } from "./rewrites.ts";

const matrix = { shape: [4, 3], dtype: "float32" } as const;

function reduced(graph: Graph): Graph {
  const fused = fuseElementwise(graph, { maximalNodes: 64, maximalInputs: 24 });
  const result = reduceChains(fused);
  verifyGraph(result, "after the pass");
  return result;
}

const names = (graph: Graph): string[] =>
  reduced(graph).nodes.map(({ body, op }) => body?.nodes.map(({ op }) => op.name).join("+") ?? op.name);

type Reduction = (x: Tensor, y: Tensor, row: Tensor, axes: { readonly axis?: number }) => Tensor;
const reductions: readonly (readonly [name: string, f: Reduction, empty?: "needs elements"])[] = [
  ["a sum of squares", (x, _, __, axes) => ng.sum(ng.mul(x, x), axes)],
  ["a mean of a difference times a row", (x, y, row, axes) => ng.mean(ng.mul(ng.sub(x, y), row), axes)],
  ["a product", (x, y, _, axes) => ng.prod(ng.minimum(ng.mul(x, y), y), axes)],
  ["a sum in another dtype", (x, y, _, axes) => ng.sum(ng.add(x, y).astype("float32"), axes)],
  ["a count", (x, y, _, axes) => ng.sum(ng.less(x, y), axes)],
  ["whether any holds", (x, y, _, axes) => ng.any(ng.less(x, y), axes)],
  ["a maximum", (x, y, _, axes) => ng.max(ng.add(x, y), axes), "needs elements"],
  ["a minimum", (x, y, _, axes) => ng.min(ng.mul(x, y), axes), "needs elements"],
];

/**
 * Shapes, those of an operand that repeats in them, and axes to reduce: what repeats for groups, channels and rows, in whole and
 * in broken periods, in tiles that go from one stretch of it to the next, and under axes that are no neighbours.
 */
const repeated: readonly (readonly [shape: number[], operand: number[], axis: number[]])[] = [
  [
    [3, 40, 8, 8],
    [3, 1, 8, 1],
    [1, 3],
  ],
  [
    [3, 41, 32, 4],
    [3, 1, 32, 1],
    [1, 3],
  ],
  [
    [2, 37, 5, 6],
    [2, 1, 5, 1],
    [1, 3],
  ],
  [
    [2, 37, 5, 6],
    [1, 37, 1, 6],
    [0, 2],
  ],
  [[700, 100], [100], [0]],
  [[700, 100], [700, 1], [1]],
  [[7, 100, 3], [7, 1, 3], [1]],
  [
    [7, 100, 255],
    [7, 1, 1],
    [0, 1],
  ],
  [[9, 2, 1500], [9, 2, 1], [0]],
  [
    [5, 3, 2, 700],
    [5, 1, 2, 1],
    [0, 1, 2, 3],
  ],
  [
    [64, 9, 70],
    [9, 70],
    [0, 2],
  ],
  [
    [64, 90, 7],
    [90, 1],
    [0, 1],
  ],
];

describe("reduce", () => {
  test("a reduction and the chain that it alone reads become one node", () => {
    const graph = trace([matrix, matrix], (x, y) =>
      ng.sum(ng.square(ng.sub(x as Tensor, y as Tensor)), { axis: 0 }),
    );
    assert.equal(
      printGraph(reduced(graph)),
      text(`
        graph(%0: float32[4, 3], %1: float32[4, 3]) -> (%2)
          %2: float32[3] = fusion(%0, %1)
            graph(%3: float32[4, 3], %4: float32[4, 3]) -> (%7)
              %5: float32[4, 3] = sub(%3, %4)
              %6: float32[4, 3] = square(%5)
              %7: float32[3] = reduceSum(%6, { axes: [0] })
      `),
    );
  });

  test("a single operation is a chain", () => {
    assert.deepEqual(names(trace([matrix], (x) => ng.max(ng.neg(x as Tensor), {}))), ["neg+reduceMax"]);
  });

  test("what something else reads and positions stay as they are", () => {
    const graphs = [
      trace([matrix], (x) => {
        const square = ng.square(x as Tensor);
        return [ng.sum(square), square];
      }),
      trace([matrix], (x) => {
        const square = ng.square(x as Tensor);
        return [ng.sum(square), ng.max(square, {})];
      }),
      trace([matrix], (x) => ng.argMax(ng.neg(x as Tensor), { axis: 0 })),
    ];
    for (const graph of graphs) assert.deepEqual(reduced(graph).nodes.length, graph.nodes.length);
  });

  test("axes that are no neighbours are reduced in turns, most elements first, where nothing between is rounded", () => {
    const squares = (dtype: DType, ...shape: number[]) =>
      names(trace([{ shape, dtype }], (x) => ng.sum(ng.square(x as Tensor), { axis: [0, 2] })));
    assert.deepEqual(squares("float32", 5, 3, 4), ["square+reduceSum", "reduceSum"]);
    assert.deepEqual(squares("int8", 5, 3, 4), ["square", "reduceSum"]);
    const axesOf = (...shape: number[]) =>
      reduced(
        trace([{ shape, dtype: "float32" }], (x) => ng.sum(ng.square(x as Tensor), { axis: [0, 2, 4] })),
      ).nodes.map(({ body, params }) => body?.nodes.at(-1)?.params.axes ?? params.axes);
    assert.deepEqual(axesOf(5, 3, 4, 2, 6), [[4], [0], [1]]);
    assert.deepEqual(axesOf(4, 3, 4, 2, 4), [[4], [2], [0]]);
  });

  for (const backend of testedBackends) {
    for (const [name, f, empty] of reductions) {
      test(`${name}: every bit as apart from the chain, ${backend}`, () => {
        ng.setBackend(backend);
        for (const dtype of dtypes) {
          for (const [shape, axis] of cases) {
            const elements = shape.reduce((a, b) => a * b, 1);
            if ((elements === 0 && empty) || (backend === "reference" && elements > 2000)) continue;
            const g = (x: Tensor, y: Tensor, row: Tensor) => f(x, y, row, axis === null ? {} : { axis });
            const inputs = [
              draw(1, shape, dtype),
              draw(2, shape, dtype),
              draw(3, shape.slice(-1), dtype),
            ] as const;
            const together = ng.jit(g)(...inputs);
            const apart = ng.jit(g, { withoutPasses: ["reduce"] })(...inputs);
            assert.deepEqual(together.dataSync(), apart.dataSync(), `${dtype} [${shape}] over ${axis}`);
          }
        }
      });
    }
  }

  for (const backend of testedBackends) {
    for (const dtype of ["float32", "float64", "int32", "uint8"] as const) {
      test(`${dtype} operands that repeat, ${backend}`, () => {
        onBackend(backend, () => {
          for (const [shape, operand, axis] of repeated) {
            if (backend === "reference" && shape.reduce((a, b) => a * b, 1) > 2000) continue;
            const inputs = [draw(1, shape, dtype), draw(2, operand, dtype)] as const;
            const f = (x: Tensor, y: Tensor) => ng.sum(ng.square(ng.sub(x, y)), { axis });
            const together = ng.jit(f)(...inputs);
            const apart = onBackend("reference", () => f(...inputs));
            assertClose(together, apart, { kind: "relative", roundings: 256 }, `[${shape}] and [${operand}]`);
          }
        });
      });
    }
  }

  test("on the native backend the chain and its reduction are one instruction without memory between", (t) => {
    const avals = [{ shape: [1024, 64], dtype: "float32" }] as const;
    const graph = trace(avals, (x) => ng.sum(ng.tanh(x as Tensor), { axis: 0 }));
    const compiled = compiledWithout(graph, "reduce");
    if (!compiled) return t.skip("the native engine is not built");
    assert.deepEqual([compiled.without.instructions.length, compiled.with.instructions.length], [2, 1]);
    assert.deepEqual([compiled.without.arenaBytes, compiled.with.arenaBytes], [262144, 0]);
  });
});
