import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { runCli } from "./runCli.ts";

const commands = ["train", "predict", "serve", "inspect", "devices"];

test("--help lists every command and shows examples", async () => {
  const { code, stdout, stderr } = await runCli(["--help"]);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const command of commands) assert.match(stdout, new RegExp(`^  ${command}\\b`, "m"));
  assert.match(stdout, /Examples:/);
});

for (const command of commands) {
  test(`${command} --help shows its options and examples`, async () => {
    const { code, stdout } = await runCli([command, "--help"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Usage: nagare ${command} `));
    assert.match(stdout, /Examples:\n {2}\S/);
  });
}

test("--version prints the package's version", async () => {
  const manifest = readFileSync(join(import.meta.dirname, "../../packages/cli/package.json"), "utf8");
  assert.equal((await runCli(["--version"])).stdout, `${JSON.parse(manifest).version}\n`);
});

describe("wrong usage exits with 2, a message, and a suggestion where one is near", () => {
  const wrong: [argv: string[], message: RegExp][] = [
    [[], /^Usage: nagare/],
    [["serv"], /unknown command 'serv'\n\(Did you mean serve\?\)/],
    [["serve", "x", "--prot", "1"], /unknown option '--prot'\n\(Did you mean --port\?\)/],
    [["devices", "--jsn"], /unknown option '--jsn'\n\(Did you mean --json\?\)/],
    [["devices", "extra"], /too many arguments/],
    [["serve"], /missing required argument 'model'/],
    [["serve", "x", "--port", "70000"], /Expected a whole number from 0 to 65535/],
    [["serve", "x", "--port", "http"], /Expected a whole number/],
    [["serve", "x", "--max-body", "2t"], /Expected a size from 1 byte to 1g/],
    [["serve", "x", "--versions", "newest"], /Expected latest, all, or numbers/],
    [["predict", "x", "--non-finite", "null"], /Allowed choices are tokens, strings/],
    [["train", "x.ts", "--epochs", "0"], /Expected a whole number from 1/],
  ];
  for (const [argv, message] of wrong) {
    test(`nagare ${argv.join(" ")}`, async () => {
      const { code, stdout, stderr } = await runCli(argv);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /);
    });
  }
});

describe("a failure exits with 1 and one clear message", () => {
  const failing: [argv: string[], message: RegExp][] = [
    [
      ["serve", "no/model"],
      /^nagare: model: expected a folder with graph\.json.*received no\/model, which does not exist/,
    ],
    [["inspect", import.meta.dirname], /^nagare: model: expected .*which has neither/],
    [["predict", "no/model"], /^nagare: model: expected/],
    [
      ["train", "no-such-file.ts"],
      /^nagare: train: expected a file; received no-such-file\.ts, which does not exist/,
    ],
    [["train", "model.py"], /^nagare: train: expected a file ending in \.js.*received model\.py/],
    [
      ["predict", "x", "--backend", "quantum"],
      /^nagare: --backend: expected one of .*reference; received "quantum"/,
    ],
  ];
  for (const [argv, message] of failing) {
    test(`nagare ${argv.join(" ")}`, async () => {
      const { code, stdout, stderr } = await runCli(argv);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, message);
      assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    });
  }

  test("NAGARE_DEBUG=1 adds the stack", async () => {
    const { code, stderr } = await runCli(["inspect", "no/model"], { env: { NAGARE_DEBUG: "1" } });
    assert.equal(code, 1);
    assert.match(stderr, /ValueError: model: expected[\s\S]*\n\s+at /);
  });
});
