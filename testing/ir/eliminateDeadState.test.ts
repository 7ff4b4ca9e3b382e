import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { eliminateDeadState, mul, neg, type Tensor, withParts } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const value = { shape: [2], dtype: "float32" } as const;

describe("dead state", () => {
  test("what is given back as it was is no output, what is not read no input; the rest keeps its aliases", () => {
    // One argument and one result; of four states the first is unchanged, the second unread, the third changed, the last set.
    const traced = trace([value, value, value, value, value], (x, kept, _, changed) => [
      neg(x as Tensor),
      kept as Tensor,
      mul(changed as Tensor, x as Tensor),
      x as Tensor,
    ]);
    const aliases = [
      { output: 1, input: 1 },
      { output: 2, input: 3 },
      { output: 3, input: 4 },
    ];
    assertRewrites(
      withParts(traced, { aliases }),
      (graph) => {
        const { graph: live, read, written } = eliminateDeadState(graph, 1, 1);
        assert.deepEqual({ read, written }, { read: [2, 3], written: [1, 2] });
        return live;
      },
      `
      graph(%0: float32[2], %1: float32[2], %2: float32[2], %3: float32[2], %4: float32[2]) -> (%5, %1 over %1, %6 over %3, %0 over %4)
        %5: float32[2] = neg(%0)
        %6: float32[2] = mul(%3, %0)
      `,
      `
      graph(%0: float32[2], %1: float32[2], %2: float32[2]) -> (%3, %4 over %1, %0 over %2)
        %3: float32[2] = neg(%0)
        %4: float32[2] = mul(%1, %0)
      `,
    );
  });

  for (const backend of testedBackends) {
    test(`a step that gives a variable back unchanged leaves its storage to the next step, ${backend}`, () => {
      onBackend(backend, () => {
        const [frozen, count] = [ng.variable(ng.ones([3])), ng.variable(ng.zeros([3]))];
        const step = ng.jit(() => {
          frozen.assign(frozen.value);
          count.assign(count.value.add(frozen.value));
        });
        step();
        const storage = frozen.stateStorage();
        step();
        assert.equal(frozen.stateStorage(), storage);
        assert.deepEqual(frozen.value.toArray(), [1, 1, 1]);
        assert.deepEqual(count.value.toArray(), [2, 2, 2]);
      });
    });
  }
});
