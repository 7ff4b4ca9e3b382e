/** Without the engine everything works on the reference, and one warning says why. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { outputOf, runSource } from "./runProgram.ts";

/** Eager, compiled, off the event loop, on another thread, and asking for the backend by name: in all of them the same one. */
const everything = `
  import { once } from "node:events";
  import { Worker } from "node:worker_threads";
  import * as ng from "nagare";
  const double = ng.jit((x) => x.mul(2));
  const results = [ng.tensor([1, 2]).sum().item(), double(ng.tensor(4)).item()];
  results.push((await double.runAsync(ng.tensor(5))).item());
  ng.setThreads(2);
  results.push(ng.threads());
  console.log(ng.backend(), results.join(" "));
  try {
    ng.setBackend("native");
  } catch (error) {
    console.log(error.name);
  }
  console.log(ng.backend(), ng.tensor(3).add(1).item());
  const source = 'import * as ng from "nagare"; import { parentPort } from "node:worker_threads";' +
    'parentPort.postMessage(ng.backend() + " " + ng.exp(ng.tensor([0, 0])).sum().item());';
  const worker = new Worker(source, {
    eval: true,
    execArgv: ["--conditions=nagare-source", "--input-type=module"],
  });
  console.log((await once(worker, "message"))[0]);
`;

const folder = mkdtempSync(join(tmpdir(), "nagare-fallback-"));
after(() => rmSync(folder, { recursive: true }));

/** A file that stands where the engine should. */
function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const elf = readFileSync(process.execPath).subarray(0, 20_000);
const missing: readonly (readonly [what: string, env: Readonly<Record<string, string>>, reason: RegExp])[] = [
  ["it is switched off", { NAGARE_NATIVE: "off" }, /it is switched off by NAGARE_NATIVE=off/],
  ["its file is missing", { NAGARE_NATIVE_FILE: join(folder, "none.node") }, /none\.node does not load: .*/],
  ["its file is empty", { NAGARE_NATIVE_FILE: file("empty.node", "") }, /empty\.node does not load: /],
  [
    "its file is text",
    { NAGARE_NATIVE_FILE: file("text.node", "no engine\n") },
    /text\.node does not load: /,
  ],
  ["its file is cut off", { NAGARE_NATIVE_FILE: file("cut.node", elf) }, /cut\.node does not load: /],
  [
    "its file is another module",
    { NAGARE_NATIVE_FILE: file("other.cjs", "module.exports = {};") },
    /other\.cjs does not load: it is another module/,
  ],
  ["its file is a folder", { NAGARE_NATIVE_FILE: folder }, /does not load: /],
];

describe("when the engine cannot be used because", () => {
  for (const [what, env, reason] of missing) {
    test(`${what}, everything works on the reference with one warning for each thread`, async () => {
      const outcome = await runSource(everything, { env });
      assert.equal(
        outputOf(outcome),
        "reference 3 8 10 1\nNagareError\nreference 4\nreference 2",
        outcome.warnings,
      );
      const lines = outcome.warnings.split("\n");
      assert.equal(lines.filter((line) => line.startsWith("nagare: using the backend")).length, 2);
      assert.equal(lines.filter((line) => reason.test(line)).length, 2, outcome.warnings);
      assert.equal(lines.length, 4, outcome.warnings);
    });

    test(`${what}, NAGARE_BACKEND=reference says nothing, and NAGARE_BACKEND=native is an error`, async () => {
      const source =
        'import * as ng from "nagare"; console.log(ng.backend(), ng.tensor([1, 2]).sum().item());';
      const chosen = await runSource(source, { env: { ...env, NAGARE_BACKEND: "reference" } });
      assert.equal(outputOf(chosen), "reference 3");
      assert.equal(chosen.warnings, "");
      const wanted = await runSource(source, { env: { ...env, NAGARE_BACKEND: "native" } });
      assert.equal(wanted.status, 1);
      assert.match(wanted.warnings, reason);
      assert.equal(wanted.output, "");
    });
  }
});
