import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { add, eliminateDeadCode, type Graph, joinPads, pad, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const join = (graph: Graph): Graph => eliminateDeadCode(joinPads(graph));
const padded = (x: Tensor | undefined, low: number, high: number): Tensor =>
  pad(x as Tensor, { low: [0, low], high: [0, high], interior: [0, 0], value: 0 });

describe("slices", () => {
  test("padded pieces that are summed lie side by side, and what else is summed is added", () => {
    assertRewrites(
      trace([float32(2, 3), float32(2, 2), float32(2, 8)], (x, y, z) => [
        add(add(padded(x, 5, 0), z as Tensor), padded(y, 1, 5)),
      ]),
      join,
      `
      graph(%0: float32[2, 3], %1: float32[2, 2], %2: float32[2, 8]) -> (%6)
        %3: float32[2, 8] = pad(%0, { low: [0, 5], high: [0, 0], interior: [0, 0], value: 0 })
        %4: float32[2, 8] = add(%3, %2)
        %5: float32[2, 8] = pad(%1, { low: [0, 1], high: [0, 5], interior: [0, 0], value: 0 })
        %6: float32[2, 8] = add(%4, %5)
      `,
      `
      graph(%0: float32[2, 3], %1: float32[2, 2], %2: float32[2, 8]) -> (%6)
        %3: float32[2, 1] = full({ shape: [2, 1], dtype: float32, value: 0 })
        %4: float32[2, 2] = full({ shape: [2, 2], dtype: float32, value: 0 })
        %5: float32[2, 8] = concat(%3, %1, %4, %0, { axis: 1 })
        %6: float32[2, 8] = add(%5, %2)
      `,
    );
  });

  test("stays out where pieces overlap, lie along different axes, are read elsewhere, or are padded with other numbers", () => {
    const other = (x: Tensor | undefined): Tensor =>
      pad(x as Tensor, { low: [0, 4], high: [0, 0], interior: [0, 0], value: 1 });
    const below = (x: Tensor | undefined): Tensor =>
      pad(x as Tensor, { low: [2, 0], high: [2, 0], interior: [0, 0], value: 0 });
    const graphs = [
      trace([float32(2, 4), float32(2, 4)], (x, y) => [add(padded(x, 4, 0), padded(y, 3, 1))]),
      trace([float32(4, 4), float32(2, 8)], (x, y) => [add(padded(x, 4, 0), below(y).slice([0, 4]))]),
      trace([float32(2, 4), float32(2, 4)], (x, y) => {
        const first = padded(x, 4, 0);
        return [first, add(first, padded(y, 0, 4))];
      }),
      trace([float32(2, 4), float32(2, 4)], (x, y) => [add(other(x), padded(y, 0, 4))]),
    ];
    for (const graph of graphs) assert.deepEqual(join(graph).nodes, graph.nodes);
  });

  test("the gradient of a sequence taken step by step moves each step once", () => {
    const steps = (x: Tensor): Tensor =>
      [0, 1, 2, 3, 4, 5]
        .map((i) => x.slice(i).sin())
        .reduce((sum, step) => sum.add(step))
        .sum();
    const text = ng.printGraph(ng.grad(steps), { after: "dce" })(ng.ones([6, 2]));
    assert.equal(text.match(/ = pad\(/g), null, text);
    assert.equal(text.match(/ = concat\(/g)?.length, 1, text);
  });

  for (const backend of testedBackends) {
    test(`gradients are those of summed copies, ${backend}`, () => {
      const x = ng.random.normal(ng.random.key(1), [4, 6]);
      const functions: readonly ((x: Tensor) => Tensor)[] = [
        (x) => x.slice(null, [0, 2]).mul(x.slice(null, [3, 5])),
        (x) =>
          x
            .slice([0, 1])
            .mul(x.slice([1, 2]))
            .add(x.slice([3, 4]).mul(x)),
        (x) => [0, 1, 2, 3].map((i) => x.slice(i)).reduce((state, step) => state.mul(step).add(step)),
      ];
      onBackend(backend, () => {
        for (const f of functions) {
          for (const g of [f, ng.grad((x: Tensor) => f(x).sin().sum())]) {
            const plain = ng.jit(g, { withoutPasses: ["slices"] });
            assertClose(ng.jit(g)(x), plain(x), { kind: "relative", roundings: 64 }, "with the pass");
          }
        }
      });
    });
  }
});
