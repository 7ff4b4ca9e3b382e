import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  add,
  eliminateCommonSubexpressions,
  exp,
  fuseElementwise,
  type Graph,
  matmul,
  mul,
  neg,
  recompute,
  reduceSum,
  rsqrt,
  sub,
  type Tensor,
  verifyGraph,
  withParts,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const limits = { maximalNodes: 8, maximalInputs: 6 };
const fused = (graph: Graph): Graph => fuseElementwise(eliminateCommonSubexpressions(graph), limits);
const remade = (graph: Graph): Graph => recompute(graph, limits);
const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const flags = { transposeA: false, transposeB: false };

/** A chain whose first result a product reads, and whose second result is read behind the product. */
const around = (first: (x: Tensor) => Tensor, second: (x: Tensor) => Tensor): Graph =>
  fused(
    trace([float32(8, 8)], (x) => {
      const [a, b] = [first(x as Tensor), second(x as Tensor)];
      return [mul(matmul(a, a, flags), b)];
    }),
  );

describe("recompute", () => {
  test("a result that only another chain reads is made there", () => {
    assertRewrites(
      fused(
        trace([float32(8, 8)], (x) => {
          const doubled = add(x as Tensor, x as Tensor);
          return [mul(matmul(neg(doubled), x as Tensor, flags), doubled)];
        }),
      ),
      remade,
      `
      graph(%0: float32[8, 8]) -> (%7)
        %1: float32[8, 8], %2: float32[8, 8] = fusion(%0)
          graph(%3: float32[8, 8]) -> (%4, %5)
            %4: float32[8, 8] = add(%3, %3)
            %5: float32[8, 8] = neg(%4)
        %6: float32[8, 8] = matmul(%2, %0, { transposeA: false, transposeB: false })
        %7: float32[8, 8] = mul(%6, %1)
      `,
      `
      graph(%0: float32[8, 8]) -> (%6)
        %1: float32[8, 8] = fusion(%0)
          graph(%2: float32[8, 8]) -> (%4)
            %3: float32[8, 8] = add(%2, %2)
            %4: float32[8, 8] = neg(%3)
        %5: float32[8, 8] = matmul(%1, %0, { transposeA: false, transposeB: false })
        %6: float32[8, 8] = fusion(%0, %5)
          graph(%7: float32[8, 8], %8: float32[8, 8]) -> (%10)
            %9: float32[8, 8] = add(%7, %7)
            %10: float32[8, 8] = mul(%8, %9)
      `,
    );
  });

  test("what stays in memory is read, instead of being made twice", () => {
    // The product needs exp(x) in memory: its double is made of that.
    const graph = remade(
      around(
        (x) => exp(x),
        (x) => add(exp(x), exp(x)),
      ),
    );
    const last = graph.nodes.at(-1);
    assert.deepEqual(
      last?.body?.nodes.map(({ op }) => op.name),
      ["add", "mul"],
    );
  });

  test("what a reduction and others read is made for each", () => {
    const graph = remade(
      fused(
        trace([float32(8, 8), float32(8)], (x, row) => {
          const centered = sub(x as Tensor, row as Tensor);
          const squares = reduceSum(mul(centered, centered), { axes: [0] });
          return [squares, mul(centered, rsqrt(squares))];
        }),
      ),
    );
    const names = graph.nodes.map(
      ({ op, body }) => body?.nodes.map(({ op }) => op.name).join("+") ?? op.name,
    );
    assert.deepEqual(names, ["sub+mul", "reduceSum", "rsqrt", "sub+mul"]);
  });

  test("stays out where it saves nothing, where others than chains read, and where a chain would grow too large", () => {
    const sum = (x: Tensor) => add(x, x);
    const graphs = [
      // The functions, which both results need, cost more than writing and reading one of them.
      around(
        (x) => sum(exp(exp(exp(x)))),
        (x) => mul(exp(exp(exp(x))), exp(exp(exp(x)))),
      ),
      // Two operands instead of one result.
      fused(
        trace([float32(8, 8), float32(8, 8)], (x, y) => {
          const both = mul(x as Tensor, y as Tensor);
          return [both, mul(matmul(both, both, flags), both)];
        }),
      ),
      fused(trace([float32(8, 8)], (x) => [reduceSum(sum(x as Tensor), { axes: [0] })])),
      around(
        (x) => sum(x),
        (x) => sum(sum(sum(sum(sum(sum(sum(sum(x)))))))),
      ),
    ];
    for (const graph of graphs) assert.deepEqual(remade(graph).nodes, graph.nodes);
  });

  test("state stays writable in place: it is not read later than before", () => {
    const traced = trace([float32(8, 8), float32(8, 8)], (state, x) => {
      const next = neg(state as Tensor);
      const kept = add(next, next);
      return [next, mul(matmul(x as Tensor, next, flags), kept)];
    });
    const graph = fused(withParts(traced, { aliases: [{ output: 0, input: 0 }] }));
    const after = remade(graph);
    verifyGraph(after, "after the pass");
    assert.ok(!after.nodes.slice(1).some(({ inputs }) => inputs.includes(graph.inputs[0] as never)));
  });

  for (const backend of testedBackends) {
    test(`gradients of activations and normalizations are those of kept values, ${backend}`, () => {
      const x = ng.random.normal(ng.random.key(1), [32, 24]);
      const w = ng.random.normal(ng.random.key(2), [24, 16]);
      const functions: readonly ((x: Tensor) => Tensor)[] = [
        (x) => x.mul(0.5).mul(x.mul(x).mul(x).mul(0.044715).add(x).mul(0.79788456).tanh().add(1)),
        (x) => x.mul(x.sigmoid()),
        (x) => x.sub(x.mean({ axis: 0 })).mul(x.square().mean({ axis: 0 }).add(1e-3).rsqrt()),
      ];
      onBackend(backend, () => {
        for (const f of functions) {
          const slope = ng.grad((x: Tensor) => f(x).matmul(w).square().sum());
          const kept = ng.jit(slope, { withoutPasses: ["recompute"] });
          assertClose(ng.jit(slope)(x), kept(x), { kind: "relative", roundings: 256 }, "gradient");
        }
      });
    });
  }
});
