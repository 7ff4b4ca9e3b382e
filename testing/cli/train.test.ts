import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { ChromeTrace } from "nagare";
import { runCli } from "./runCli.ts";

const program = (name: string): string => join(import.meta.dirname, "programs", name);

describe("nagare train", () => {
  test("calls the default export of a TypeScript file with the parsed options", async () => {
    const { code, stdout, stderr } = await runCli([
      "train",
      program("train.ts"),
      "--epochs",
      "5",
      "--backend",
      "reference",
      "--",
      "--data",
      "folder",
    ]);
    assert.equal(code, 0, stderr);
    const { w, ...given } = JSON.parse(stdout);
    assert.deepEqual(given, {
      epochs: 5,
      backend: "reference",
      used: "reference",
      args: ["--data", "folder"],
      argv: ["--data", "folder"],
    });
    assert.ok(Math.abs(w - 3) < 1e-5);
  });

  test("runs a file without an exported function as node would", async () => {
    const { code, stdout, stderr } = await runCli(["train", program("plain.mjs"), "--", "--seed", "7"]);
    assert.deepEqual([code, stdout, stderr], [0, "plain.mjs --seed 7\n", ""]);
  });

  test("says when --epochs has nobody to go to", async () => {
    const { code, stderr } = await runCli(["train", program("plain.mjs"), "--epochs", "3"]);
    assert.equal(code, 0);
    assert.match(stderr, /--epochs 3 was not used: .*plain\.mjs exports no function/);
  });

  test("an error of the program exits with 1, its message and the line it came from", async () => {
    const { code, stdout, stderr } = await runCli(["train", program("failing.ts")]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^nagare: RangeError: the data ran out\n {2}at explode \(.*failing\.ts:2:\d+\)\n$/);
  });

  test("--profile tells where the time of the program went, and writes a trace", async () => {
    const folder = mkdtempSync(join(tmpdir(), "nagare-cli-"));
    try {
      const file = join(folder, "trace.json");
      const { code, stdout, stderr } = await runCli(["train", program("train.ts"), `--profile=${file}`]);
      assert.equal(code, 0, stderr);
      assert.ok(Math.abs(JSON.parse(stdout).w - 3) < 1e-5);
      assert.match(stderr, /calls +ms +share .*operation\n.*\bmul\n.*ms in kernels of/s);
      const { traceEvents } = JSON.parse(readFileSync(file, "utf8")) as ChromeTrace;
      assert.ok(traceEvents.some(({ ph, name }) => ph === "X" && name === "reduceSum"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a trace that cannot be written is refused before the program runs", async () => {
    const { code, stdout, stderr } = await runCli([
      "train",
      program("train.ts"),
      "--profile=no-such-folder/trace.json",
    ]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /--profile: expected a file that can be written; received ENOENT/);
  });

  test("a Node that cannot strip types is told what it needs", async () => {
    const hide =
      'data:text/javascript,Object.defineProperty(process.features, "typescript", { value: false })';
    const { code, stderr } = await runCli(["train", program("train.ts")], { node: [`--import=${hide}`] });
    assert.equal(code, 1);
    assert.match(stderr, /expected Node 22\.18, 23\.6 or later for a TypeScript file; received Node \d+/);
  });
});
