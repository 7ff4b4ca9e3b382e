import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { builder, type Tensor, updateRows, withoutPasses } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const { nn, optim } = ng;
const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const indices = { shape: [3], dtype: "int32" } as const;
const scatter = (updates: Tensor, at: Tensor, size: number) =>
  builder.scatterAdd(updates, at, { axis: 0, batchAxes: 0, size });

const always = (graph: Parameters<typeof updateRows>[0]) => updateRows(graph, () => true);

describe("rows", () => {
  test("a step of descent on few rows is made without the gradient of all", () => {
    assertRewrites(
      trace([float32(9, 2), indices, float32(3, 2), float32()], (x, at, updates, rate) => [
        builder.sub(x as Tensor, builder.mul(rate as Tensor, scatter(updates as Tensor, at as Tensor, 9))),
      ]),
      always,
      `
      graph(%0: float32[9, 2], %1: int32[3], %2: float32[3, 2], %3: float32[]) -> (%6)
        %4: float32[9, 2] = scatterAdd(%2, %1, { axis: 0, batchAxes: 0, size: 9 })
        %5: float32[9, 2] = mul(%3, %4)
        %6: float32[9, 2] = sub(%0, %5)
      `,
      `
      graph(%0: float32[9, 2], %1: int32[3], %2: float32[3, 2], %3: float32[]) -> (%6)
        %4: float32[9, 2] = scatterAdd(%2, %1, { axis: 0, batchAxes: 0, size: 9 })
        %5: float32[9, 2] = mul(%3, %4)
        %6: float32[9, 2] = subtractRows(%0, %1, %2, %3)
      `,
    );
  });

  test("a gradient that something else reads, and one of as many indices as rows, stay", () => {
    const graphs = [
      trace([float32(9, 2), indices, float32(3, 2), float32()], (x, at, updates, rate) => {
        const gradient = scatter(updates as Tensor, at as Tensor, 9);
        return [builder.sub(x as Tensor, builder.mul(rate as Tensor, gradient)), gradient];
      }),
      trace([float32(3, 2), indices, float32(3, 2), float32()], (x, at, updates, rate) => [
        builder.sub(x as Tensor, builder.mul(rate as Tensor, scatter(updates as Tensor, at as Tensor, 3))),
      ]),
    ];
    for (const graph of graphs) assert.deepEqual(always(graph).nodes, graph.nodes);
  });

  for (const backend of testedBackends) {
    test(`an embedding learns the same with the pass as without, ${backend}`, () => {
      const words = ng.tensor(
        [
          [4, 700, 4, 31],
          [999, 0, 4, 700],
        ],
        { dtype: "int32" },
      );
      const weights = ng.random.normal(ng.random.key(1), [1000, 33]);
      const target = ng.random.normal(ng.random.key(2), [2, 4, 33]);
      const learn = (): Tensor => {
        const rows = nn.embedding({ inputDim: 1000, outputDim: 33 });
        rows.call(words);
        rows.embeddings?.assign(weights);
        const [variables, optimizer] = [rows.trainableVariables(), optim.sgd(0.5)];
        const step = ng.jit((words: Tensor) => {
          const lossOf = (_: readonly ng.Variable[]) => rows.call(words).sub(target).square().sum();
          optimizer.apply(variables, ng.grad(lossOf)(variables));
          return [];
        });
        for (let i = 0; i < 3; i++) step(words);
        return rows.embeddings?.value as Tensor;
      };
      onBackend(backend, () => {
        const apart = withoutPasses(["rows"], learn);
        assertClose(learn(), apart, { kind: "relative", roundings: 4 }, "embeddings");
      });
    });

    test(`rows are updated beside the old ones where somebody holds those, ${backend}`, () => {
      onBackend(backend, () => {
        const held = ng.variable(ng.ones([100, 2]));
        const step = ng.jit((at: Tensor, updates: Tensor, rate: Tensor) => {
          held.assign(builder.sub(held.value, builder.mul(rate, scatter(updates, at, 100))));
          return [];
        });
        const before = held.value;
        step(ng.tensor([7, 7], { dtype: "int32" }), ng.ones([2, 2]), ng.tensor(0.25));
        assert.deepEqual(before.slice([6, 9]).toArray(), [
          [1, 1],
          [1, 1],
          [1, 1],
        ]);
        assert.deepEqual(held.value.slice([6, 9]).toArray(), [
          [1, 1],
          [0.5, 0.5],
          [1, 1],
        ]);
      });
    });
  }
});
