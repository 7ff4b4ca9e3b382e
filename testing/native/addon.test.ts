/** The engine's door to JavaScript: a mistake on this side is an exception, and never the end of the process. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testedBackends } from "../generator/backends.ts";
import { outputOf, runProgram } from "./runProgram.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

describe("the addon", { skip }, () => {
  test("refuses wrong arguments, programs, memories, handles and numbers with what is wrong", async () => {
    assert.equal(outputOf(await runProgram("misuse.ts")), "done");
  });

  for (const seed of [1, 2]) {
    test(`refuses or carries out 8,000 programs that make no sense, seed ${seed}`, async (t) => {
      const report = outputOf(await runProgram("fuzz.ts", { arguments: [String(seed), "8000"] }));
      t.diagnostic(report);
      const { programs, accepted, refused } = JSON.parse(report) as Record<string, number>;
      assert.ok(Number(programs) > 1000 && Number(accepted) > 500 && Number(refused) > 500, report);
    });
  }
});
