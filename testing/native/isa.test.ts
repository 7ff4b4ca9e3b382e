/** Every instruction set that this processor has computes what the reference does; NAGARE_ISA chooses among them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { loadBackend } from "nagare/backend";
import "nagare";
import { outputOf, runProgram, runSource } from "./runProgram.ts";

const unknown = "mmx";

/** The error that names the instruction sets that run here, or none when the engine does not load at all. */
function refusalOf(isa: string) {
  return runSource(`import * as ng from "nagare"; ng.setBackend("native"); console.log(ng.backend());`, {
    env: { NAGARE_ISA: isa },
  });
}

const { status, warnings } = await refusalOf(unknown);
const [, list = ""] =
  warnings.match(/NAGARE_ISA: expected one of ([\w, ]+) on this processor; received "mmx"/) ?? [];
const available = list.split(", ").filter(Boolean);

describe("instruction sets", () => {
  test("an unknown one is an error that names those this processor has", () => {
    assert.notEqual(status, 0);
    assert.ok(available.length > 0, warnings);
  });

  for (const isa of available) {
    test(`${isa}: every record's samples, special values, random and large shapes equal the reference`, async () => {
      const description = outputOf(await runProgram("compare.ts", { env: { NAGARE_ISA: isa } }));
      assert.match(description, new RegExp(`\\b${isa}\\b`));
    });
  }

  // No processor here need have AMX: the same kernels compute with its instructions in software.
  test("amx computes what the reference does", async (t) => {
    if (!available.includes("avx512bf16")) return t.skip("this processor lacks what else those kernels use");
    const isa = "amx_stand_in";
    const native = join(import.meta.dirname, "../../packages/native");
    const { status } = spawnSync(process.execPath, [join(native, "scripts/build.ts"), `--isa=${isa}`], {
      stdio: ["ignore", 2, 2],
    });
    if (status === 2) return t.skip("there is no compiler");
    assert.equal(status, 0, "the build of the engine");
    const file = join(native, "build", `${process.platform}-${process.arch}-${isa}`, "nagare.node");
    const env = { NAGARE_NATIVE_FILE: file, NAGARE_ISA: isa };
    assert.match(outputOf(await runProgram("compare.ts", { env })), /\bamx_stand_in\b/);
  });

  test("the first of them is the one in use", () => {
    assert.equal(loadBackend("native").instructionSet, process.env.NAGARE_ISA ?? available[0]);
  });

  for (const isa of ["sse4", "avx2", "avx512", "avx512bf16", "amx", "neon", unknown].filter(
    (name) => !available.includes(name),
  )) {
    test(`${isa}, which this processor lacks, gives a warning and the reference`, async () => {
      const source = `
        import * as ng from "nagare";
        console.log(ng.backend(), ng.tensor([1, 2]).sum().item(), ng.jit((x) => x.mul(2))(ng.tensor(2)).item());
      `;
      const outcome = await runSource(source, { env: { NAGARE_ISA: isa } });
      assert.equal(outputOf(outcome), "reference 3 4");
      assert.match(
        outcome.warnings,
        /^nagare: using the backend "reference".*\n.*NAGARE_ISA: expected one of/,
      );
      assert.ok(outcome.warnings.includes(`received "${isa}"`), outcome.warnings);
      assert.equal(outcome.warnings.split("\n").length, 2, outcome.warnings);
    });
  }
});
