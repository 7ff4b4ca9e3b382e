import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  absorbViews,
  concat,
  flip,
  type Graph,
  matmul,
  mul,
  reduceSum,
  reshape,
  type Tensor,
  transpose,
  withoutPasses,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, compiledWithout, trace } from "./rewrites.ts";

const views = (graph: Graph): Graph => absorbViews(graph, { minimalRun: 2 });
const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const flags = { transposeA: false, transposeB: false };
const heads = { permutation: [0, 2, 1, 3] };

/** Attention of 2 heads over one projection to queries, keys and values, as it is written with slices and transpositions. */
function attention(x: Tensor): Tensor {
  const [batch, time, width] = [Number(x.shape[0]), Number(x.shape[1]), Number(x.shape[2]) / 3];
  const part = (i: number) =>
    x
      .slice(null, null, [i * width, (i + 1) * width])
      .reshape([batch, time, 2, width / 2])
      .transpose(heads.permutation);
  const [q, k, v] = [part(0), part(1), part(2)];
  const weights = q.matmul(k.transpose([0, 1, 3, 2])).sin();
  return weights.matmul(v).transpose(heads.permutation).reshape([batch, time, width]);
}

describe("views", () => {
  test("a product reads a transposed factor where it lies, and writes its result transposed", () => {
    assertRewrites(
      trace([float32(2, 3, 4, 5), float32(2, 4, 5, 3)], (a, b) => [
        transpose(matmul(transpose(a as Tensor, heads), b as Tensor, flags), heads),
      ]),
      views,
      `
      graph(%0: float32[2, 3, 4, 5], %1: float32[2, 4, 5, 3]) -> (%4)
        %2: float32[2, 4, 3, 5] = transpose(%0, { permutation: [0, 2, 1, 3] })
        %3: float32[2, 4, 3, 3] = matmul(%2, %1, { transposeA: false, transposeB: false })
        %4: float32[2, 3, 4, 3] = transpose(%3, { permutation: [0, 2, 1, 3] })
      `,
      `
      graph(%0: float32[2, 3, 4, 5], %1: float32[2, 4, 5, 3]) -> (%2)
        %2: float32[2, 3, 4, 3] = fusion(%0, %1)
          graph(%3: float32[2, 3, 4, 5], %4: float32[2, 4, 5, 3]) -> (%7)
            %5: float32[2, 4, 3, 5] = transpose(%3, { permutation: [0, 2, 1, 3] })
            %6: float32[2, 4, 3, 3] = matmul(%5, %4, { transposeA: false, transposeB: false })
            %7: float32[2, 3, 4, 3] = transpose(%6, { permutation: [0, 2, 1, 3] })
      `,
    );
  });

  test("elementwise operations read slices in runs, and several movements in a row are one copy", () => {
    assertRewrites(
      trace([float32(4, 6), float32(4, 3)], (x, y) => [
        mul((x as Tensor).slice(null, [3, 6]), y as Tensor),
        transpose((x as Tensor).slice(null, [0, 3]), { permutation: [1, 0] }),
      ]),
      views,
      `
      graph(%0: float32[4, 6], %1: float32[4, 3]) -> (%3, %5)
        %2: float32[4, 3] = slice(%0, { starts: [0, 3], limits: [4, 6], strides: [1, 1] })
        %3: float32[4, 3] = mul(%2, %1)
        %4: float32[4, 3] = slice(%0, { starts: [0, 0], limits: [4, 3], strides: [1, 1] })
        %5: float32[3, 4] = transpose(%4, { permutation: [1, 0] })
      `,
      `
      graph(%0: float32[4, 6], %1: float32[4, 3]) -> (%2, %7)
        %2: float32[4, 3] = fusion(%0, %1)
          graph(%3: float32[4, 6], %4: float32[4, 3]) -> (%6)
            %5: float32[4, 3] = slice(%3, { starts: [0, 3], limits: [4, 6], strides: [1, 1] })
            %6: float32[4, 3] = mul(%5, %4)
        %7: float32[3, 4] = fusion(%0)
          graph(%8: float32[4, 6]) -> (%10)
            %9: float32[4, 3] = slice(%8, { starts: [0, 0], limits: [4, 3], strides: [1, 1] })
            %10: float32[3, 4] = transpose(%9, { permutation: [1, 0] })
      `,
    );
  });

  test("a concatenation copies its operands from where they lie", () => {
    assertRewrites(
      trace([float32(6)], (x) => [
        concat([(x as Tensor).slice([4, 6]), flip(x as Tensor, { axes: [0] })], { axis: 0 }),
      ]),
      views,
      `
      graph(%0: float32[6]) -> (%3)
        %1: float32[2] = slice(%0, { starts: [4], limits: [6], strides: [1] })
        %2: float32[6] = flip(%0, { axes: [0] })
        %3: float32[8] = concat(%1, %2, { axis: 0 })
      `,
      `
      graph(%0: float32[6]) -> (%1)
        %1: float32[8] = fusion(%0)
          graph(%2: float32[6]) -> (%5)
            %3: float32[2] = slice(%2, { starts: [4], limits: [6], strides: [1] })
            %4: float32[6] = flip(%2, { axes: [0] })
            %5: float32[8] = concat(%3, %4, { axis: 0 })
      `,
    );
  });

  test("whole rows of an operand are one run, however short", () => {
    const whole = trace([float32(8, 1)], (x) => mul((x as Tensor).slice([2, 6]), 2));
    const strided = trace([float32(8, 1)], (x) => mul((x as Tensor).slice([0, 8, 2]), 2));
    const runs = (graph: Graph) => absorbViews(graph, { minimalRun: 16 }).nodes.map(({ op }) => op.name);
    assert.deepEqual(runs(whole), ["fusion"]);
    assert.deepEqual(runs(strided), ["slice", "mul"]);
  });

  test("what some reader needs side by side, and what is a result, is moved once for all", () => {
    const swap = { permutation: [1, 0] };
    const graphs = [
      trace([float32(4, 6)], (x) => [transpose(x as Tensor, swap)]),
      trace([float32(4, 6)], (x) => [reduceSum(transpose(x as Tensor, swap), { axes: [0] })]),
      // Neighbours of the result lie apart in the operand: no runs.
      trace([float32(4, 6)], (x) => [mul(transpose(x as Tensor, swap), 2)]),
      // No strides lead from the operand to the reshaped transposition.
      trace([float32(4, 6)], (x) => [mul(reshape(transpose(x as Tensor, swap), { shape: [24] }), 2)]),
      trace([float32(2, 4, 6)], (x) => {
        const moved = transpose(x as Tensor, { permutation: [1, 0, 2] });
        return [mul(moved, 2), reduceSum(moved, { axes: [1] })];
      }),
    ];
    for (const graph of graphs) assert.deepEqual(views(graph).nodes, graph.nodes);
  });

  test("attention written with slices and transpositions moves nothing", (t) => {
    const graph = trace([float32(2, 16, 96)], (x) => [attention(x as Tensor)]);
    const compiled = compiledWithout(graph, "views");
    if (!compiled) return t.skip("the native engine is not built");
    assert.equal(compiled.with.instructions.length, 2, compiled.with.instructions.join("\n"));
    assert.equal(compiled.without.instructions.length, 9, compiled.without.instructions.join("\n"));
    assert.ok(compiled.with.arenaBytes < compiled.without.arenaBytes);
  });

  for (const backend of testedBackends) {
    test(`values and gradients are those of moved elements, ${backend}`, () => {
      const x = ng.random.normal(ng.random.key(3), [2, 5, 24]);
      const w = ng.random.normal(ng.random.key(4), [2, 3, 5, 4]);
      const functions: readonly ((x: Tensor) => Tensor)[] = [
        attention,
        // Rows of a product that are columns of its result, several loops, one row, one column, every second row.
        (x) =>
          transpose(matmul(x, transpose(x, { permutation: [0, 2, 1] }), flags), { permutation: [1, 2, 0] }),
        // A concatenation of a part, of all backwards, of a transposition and of a result of its own.
        (x) =>
          ng.concat(
            [
              x.slice(null, [1, 4], [2, 7]),
              ng.flip(x, [2]).slice(null, [0, 3], [0, 9]),
              x.slice(null, [0, 3], [0, 3]).transpose([0, 2, 1]),
              x.slice(null, [2, 5], [4, 5]).sin(),
              ng.broadcastTo(x.slice(null, [0, 1], [0, 1]), [2, 3, 2]),
            ],
            { axis: 2 },
          ),
        (x) => matmul(transpose(w, { permutation: [1, 0, 3, 2] }), x, flags),
        (x) => x.slice(null, [1, 2]).matmul(x.slice(null, [0, 5, 2]).transpose([0, 2, 1])),
        (x) =>
          x
            .slice(null, null, [7, 8])
            .transpose([0, 2, 1])
            .matmul(x.slice([0, 1])),
        (x) => x.slice(null, [4, 0, -2], [8, 16]).mul(x.slice(null, [0, 2], [0, 8])),
        (x) =>
          x
            .slice([1, 2])
            .matmul(transpose(x, { permutation: [0, 2, 1] }))
            .add(x.slice(0, null, [0, 5]))
            .relu(),
      ];
      onBackend(backend, () => {
        for (const f of functions) {
          const both = (x: Tensor) => [f(x), ng.grad((x: Tensor) => f(x).sin().sum())(x) as Tensor];
          const [moved, viewed] = [withoutPasses(["views"], () => ng.jit(both)(x)), ng.jit(both)(x)];
          moved.forEach((expected, i) => {
            assertClose(viewed[i] as Tensor, expected, { kind: "relative", roundings: 256 }, String(f));
          });
        }
      });
    });
  }
});
