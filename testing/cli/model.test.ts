import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { testedBackends } from "../generator/backends.ts";
import { affine, saveAffine, temporaryFolder } from "../serve/savedModel.ts";
import { runCli, startCli } from "./runCli.ts";

describe("with a saved model", () => {
  const folder = temporaryFolder({ after });
  const model = join(folder, "affine");
  const rows = [
    [1, 2, 3],
    [0, 0, 0],
  ];
  const predictions = { predictions: rows.map((row) => affine(row, 2)) };

  before(async () => {
    await saveAffine(join(model, "1"), 1);
    await saveAffine(join(model, "2"), 2);
  });

  describe("nagare predict", () => {
    test("reads a request from a file and prints the newest version's answer", async () => {
      const input = join(folder, "request.json");
      writeFileSync(input, JSON.stringify({ instances: rows }));
      const { code, stdout, stderr } = await runCli(["predict", model, "--input", input]);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.deepEqual(JSON.parse(stdout), predictions);
    });

    test("--profile leaves the answer alone on standard output", async () => {
      const { code, stdout, stderr } = await runCli(["predict", model, "--profile"], {
        input: JSON.stringify(rows),
      });
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), predictions);
      assert.match(stderr, /ms in kernels of .* calls of programs: 1,/);
    });

    test("reads standard input, where a bare list means instances", async () => {
      const { code, stdout } = await runCli(["predict", model], { input: ` ${JSON.stringify(rows)}\n` });
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(stdout), predictions);
    });

    test("computes another version and another signature", async () => {
      const input = '{"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}';
      const { stdout } = await runCli(["predict", join(model, "1"), "--signature", "pair"], { input });
      assert.deepEqual(JSON.parse(stdout), { outputs: { sum: [[4, 6]], product: [[3, 8]] } });
    });

    test("explains requests that do not fit", async () => {
      const cases: [input: string, argv: string[], message: RegExp][] = [
        [
          "[[1, 2]]",
          [],
          /^nagare: Input "x" is float32 \[batch, 3\]: expected a list of 3 at instances\[0\]; received one of 2/,
        ],
        ["", [], /^nagare: The body: expected a JSON object; received the end of the text/],
        [
          "[[1, 2, 3]]",
          ["--signature", "train"],
          /^nagare: signature_name: expected "serving_default", .*received "train"/,
        ],
        [
          "",
          ["--input", "no-such.json"],
          /^nagare: --input: expected a file that can be read; received ENOENT/,
        ],
      ];
      for (const [input, argv, message] of cases) {
        const { code, stdout, stderr } = await runCli(["predict", model, ...argv], { input });
        assert.deepEqual([code, stdout], [1, ""]);
        assert.match(stderr, message);
      }
    });
  });

  describe("nagare inspect", () => {
    test("--json tells signatures, parameters, totals, files, metadata and graphs", async () => {
      const { code, stdout, stderr } = await runCli(["inspect", model, "--json"]);
      assert.deepEqual([code, stderr], [0, ""]);
      const found = JSON.parse(stdout);
      assert.deepEqual([found.name, found.version], ["affine", 2]);
      assert.deepEqual(found.signatures.serving_default, {
        inputs: { x: { dtype: "float32", shape: ["batch", 3] } },
        outputs: { y: { dtype: "float32", shape: ["batch", 2] } },
      });
      assert.deepEqual(Object.keys(found.graphs), Object.keys(found.signatures));
      assert.ok(found.graphs.serving_default.some((line: string) => line.includes("matmul(")));
      assert.deepEqual(
        found.parameters.map(({ shape, bytes }: { shape: number[]; bytes: number }) => [shape, bytes]),
        [
          [[3, 2], 24],
          [[2], 8],
        ],
      );
      assert.deepEqual(found.totals, { parameters: 2, elements: 8, bytes: 32 });
      assert.deepEqual(found.memory.serving_default.sizes, { batch: 1 });
      for (const { name, bytes } of found.files) {
        assert.equal(bytes, statSync(join(model, "2", name)).size);
      }
      assert.equal(found.files.length, 3);
      assert.deepEqual(found.metadata, { labels: ["left", "right"] });
    });

    test("prints the same for people; --no-graph leaves the operations out", async () => {
      const full = await runCli(["inspect", model]);
      assert.equal(full.code, 0, full.stderr);
      assert.match(full.stdout, /^affine, version 2, in /);
      assert.match(
        full.stdout,
        /Signature serving_default\n {2}in +x +float32 \[batch, 3\]\n {2}out +y +float32 \[batch, 2\]/,
      );
      assert.match(full.stdout, /Graph of serving_default\n {2}graph\(/);
      assert.match(full.stdout, /total +8 +32\n/);
      assert.match(full.stdout, /weights\.safetensors +\d+ +\d+ B/);
      const short = await runCli(["inspect", join(model, "1"), "--no-graph"]);
      assert.match(short.stdout, /^affine, version 1, in /);
      assert.doesNotMatch(short.stdout, /Graph of/);
    });

    test("--size tells the memory of a call: inputs, outputs, weights, intermediate values, their sum", async () => {
      const { stdout } = await runCli(["inspect", model, "--size", "batch=1000", "--json"]);
      const { serving_default: use } = JSON.parse(stdout).memory;
      // 32 bytes of parameters and a number in the graph.
      const { sizes, inputBytes, outputBytes, weightBytes, arenaBytes, peakBytes } = use;
      assert.deepEqual([sizes, inputBytes, outputBytes, weightBytes], [{ batch: 1000 }, 12_000, 8000, 36]);
      assert.equal(peakBytes, inputBytes + outputBytes + weightBytes + arenaBytes);
      const text = await runCli(["inspect", model, "--size", "batch=1000", "--no-graph"]);
      assert.match(text.stdout, /Memory of serving_default, batch = 1000\n {2}inputs +11\.7 KiB\n/);
      assert.match(text.stdout, /\n {2}peak +\d+\.\d KiB\n/);
    });

    for (const [given, message] of [
      ["width=3", /--size: expected batch; received "width"/],
      ["batch=0", /Expected a whole number from 1 to/],
      ["batch", /Expected a name and a size, such as batch=8/],
    ] as const)
      test(`--size ${given} is refused`, async () => {
        const { code, stdout, stderr } = await runCli(["inspect", model, "--size", given]);
        assert.notEqual(code, 0);
        assert.deepEqual([stdout, message.test(stderr)], ["", true], stderr);
      });

    test("a reader that stops early is no failure", async () => {
      const child = startCli(["inspect", model]);
      child.stdout.destroy();
      const [code] = await once(child, "close");
      assert.equal(code, 0);
    });
  });

  describe("nagare serve", () => {
    /** Starts the server and reads what it prints, up to the address of the model. */
    async function startServer(argv: readonly string[]) {
      const child = startCli(["serve", model, "--port", "0", ...argv]);
      const lines: string[] = [];
      const closed = once(child, "close");
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        stderr += chunk;
      });
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(line);
        if (line.startsWith("Ctrl-C")) break;
      }
      const url = lines.find((line) => /^\s*http:\/\/\S+$/.test(line))?.trim() ?? "";
      assert.notEqual(url, "", stderr);
      return { child, url, lines, closed, stderr: () => stderr };
    }

    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      test(`serves until ${signal}, then ends with 0`, async () => {
        const { child, url, closed, lines, stderr } = await startServer(["--name", "mine"]);
        assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/v1\/models\/mine$/);
        assert.match(lines[0] ?? "", /^Serving mine \(version 2\) on the reference backend at$/);
        const response = await fetch(`${url}:predict`, {
          method: "POST",
          body: JSON.stringify({ instances: rows }),
        });
        assert.deepEqual(await response.json(), predictions);
        child.kill(signal);
        assert.deepEqual(await closed, [0, null]);
        assert.match(
          stderr(),
          new RegExp(`^${signal}: no new requests; answering those in flight\\nstopped\\n$`),
        );
      });
    }

    test("takes versions, a body limit and --verbose", async () => {
      const { child, url, closed, stderr } = await startServer([
        "--versions",
        "all",
        "--max-body",
        "1k",
        "--verbose",
      ]);
      const status = (await (await fetch(url)).json()) as { model_version_status: { version: string }[] };
      assert.deepEqual(
        status.model_version_status.map(({ version }) => version),
        ["2", "1"],
      );
      const large = await fetch(`${url}:predict`, { method: "POST", body: " ".repeat(1025) });
      assert.equal(large.status, 413);
      await large.text();
      child.kill("SIGTERM");
      assert.deepEqual(await closed, [0, null]);
      assert.match(stderr(), /POST \/v1\/models\/affine:predict 413 [\d.]+ ms/);
    });

    const shell = (process.env.PATH ?? "").split(delimiter).some((path) => existsSync(join(path, "curl")));
    test("the printed curl line works", { skip: !shell && "there is no curl in PATH" }, async () => {
      const { child, closed, lines } = await startServer([]);
      const line = lines.find((text) => text.includes("curl"))?.trim() ?? "";
      const { stdout } = await promisify(execFile)("sh", ["-c", `${line} -s`]);
      child.kill("SIGTERM");
      await closed;
      assert.deepEqual(JSON.parse(stdout), { predictions: [affine([0, 0, 0], 2)] });
    });

    test("a port in use exits with 1 and says so", async () => {
      const { child, url, closed } = await startServer([]);
      const { code, stderr } = await runCli(["serve", model, "--port", new URL(url).port]);
      child.kill("SIGTERM");
      await closed;
      assert.equal(code, 1);
      assert.match(stderr, /EADDRINUSE/);
    });
  });
});

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

describe("nagare devices", () => {
  test("--json lists every backend with what it found, and the machine", async () => {
    const { code, stdout } = await runCli(["devices", "--json"]);
    assert.equal(code, 0);
    const { backends, machine } = JSON.parse(stdout);
    const reference = backends.find(({ name }: { name: string }) => name === "reference");
    assert.equal(reference.available, true);
    assert.equal(reference.inUse, true);
    assert.ok(reference.threads >= 1);
    assert.ok(backends.some(({ name }: { name: string }) => name === "native"));
    for (const backend of backends) assert.ok(backend.description.length > 0);
    assert.ok(machine.cores >= 1 && machine.memoryBytes > machine.freeMemoryBytes);
    assert.equal(machine.node, process.versions.node);
  });

  test("prints a table for people", async () => {
    const { code, stdout } = await runCli(["devices"]);
    assert.equal(code, 0);
    assert.match(stdout, /^Backends \(\* in use\)\n/);
    assert.match(stdout, /\* reference +1 thread/);
    assert.match(stdout, /Machine\n {2}cpu /);
  });

  test("tells the measured peaks of the engine", { skip }, async () => {
    const peaks =
      / {2}native {2}float32 arithmetic {2}[\d.]+ GFLOP\/s on one thread {2}[\d.]+ GFLOP\/s on 2 threads\n/;
    const { stdout } = await runCli(["devices"], { env: { NAGARE_THREADS: "2" } });
    assert.match(stdout, peaks);
  });
});
