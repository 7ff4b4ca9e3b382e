import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadBackend } from "nagare/backend";
import { tensorsOf } from "../../bench/work.ts";
import { workloads } from "../../bench/workloads/index.ts";
import { onBackend, testedBackends } from "../generator/backends.ts";

/** Whole steps; the others are one operation each, without intermediate values. */
const steps = workloads.filter(({ name }) => /_(train|infer)_/.test(name));

describe("the arena of a workload's programs", {
  skip: !testedBackends.includes("native") && "needs the engine",
}, () => {
  test("there are training steps and inferences to look at", () => assert.ok(steps.length >= 6));

  for (const workload of steps) {
    test(`${workload.name}: within 10 % of the most bytes that are alive at once`, (context) => {
      const compile = context.mock.method(loadBackend("native"), "compile");
      onBackend("native", () => {
        workload.prepare(tensorsOf(workload.inputs()), workload.parameters ?? {})();
      });
      const arenas = compile.mock.calls.flatMap(({ result }) => (result?.arenaBytes ? [result] : []));
      assert.ok(arenas.length > 0, "a step has intermediate values");
      for (const { arenaBytes = 0, lowerBoundBytes = 0 } of arenas) {
        assert.ok(
          arenaBytes <= 1.1 * lowerBoundBytes,
          `${arenaBytes} bytes; ${lowerBoundBytes} are alive at once`,
        );
      }
    });
  }
});
