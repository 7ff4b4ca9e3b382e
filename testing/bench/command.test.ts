import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { parseBenchArguments, peerFamilies, UsageError, usage } from "../../bench/harness/index.ts";
import { mixedPrecisionLine } from "../../bench/mixedPrecision.ts";
import { doubling } from "./fakes.ts";

const benchFolder = join(import.meta.dirname, "../../bench");
const known = ["alpha", "beta", "gamma"];

describe("the command line of the benchmark", () => {
  test("without arguments it runs every workload against every peer", () => {
    const options = parseBenchArguments([], known);
    assert.deepEqual(options.workloads, known);
    assert.deepEqual(options.peers, peerFamilies);
    assert.equal(options.json, false);
  });

  test("named workloads run in the catalogue's order", () => {
    assert.deepEqual(parseBenchArguments(["gamma", "alpha"], known).workloads, ["alpha", "gamma"]);
  });

  test("peers, rounds and JSON are options", () => {
    const { peers, rounds, json } = parseBenchArguments(
      ["--peers", "jax,torch", "--rounds=3", "--json"],
      known,
    );
    assert.deepEqual({ peers, rounds, json }, { peers: ["torch", "jax"], rounds: 3, json: true });
    assert.deepEqual(parseBenchArguments(["--peers", "none"], known).peers, []);
  });

  for (const [argv, message] of [
    [["delta"], /workloads from alpha, beta, gamma; received "delta"/],
    [["--peers", "mxnet"], /torch, jax, tf, tfjs; received "mxnet"/],
    [["--rounds", "0"], /whole number from 1 to 1000 after --rounds; received "0"/],
    [["--rounds", "2.5"], /received "2.5"/],
    [["--fast"], /Unknown option '--fast'.*--help/],
  ] as const) {
    test(`${argv.join(" ")} is refused with what was expected`, () => {
      assert.throws(
        () => parseBenchArguments(argv, known),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }

  test("the help lists every workload with what it covers", () => {
    assert.match(usage([doubling]), /doubling {2}work of doubling/);
  });

  test("a baseline is written or compared", () => {
    assert.equal(parseBenchArguments(["--baseline", "write"], known).baseline, "write");
    assert.throws(() => parseBenchArguments(["--baseline", "keep"], known), /expected write or compare/);
  });
});

test("the command times our own party and prints JSON", async () => {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      "--conditions=nagare-source",
      join(benchFolder, "main.ts"),
      ...["--json", "--peers", "none", "--rounds", "1", "eager_add_x1000"],
    ],
    { env: { ...environment, NAGARE_BACKEND: "reference" } },
  );
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 1);
  assert.equal(lines[0].workload, "eager_add_x1000");
  assert.ok(lines[0].ms > 0 && lines[0].samples >= 3);
});

test("with --profile it says where the time goes, of a sweep's shapes, too", async () => {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      "--conditions=nagare-source",
      join(benchFolder, "main.ts"),
      ...["--profile", "--sweep", "gemm", "gemm_64x64x64_nn"],
    ],
    { env: { ...environment, NAGARE_BACKEND: "reference" } },
  );
  assert.match(stdout, /^gemm_64x64x64_nn, \d+ runs\n.*GFLOP\/s/);
  assert.match(stdout, /matmul \[64, 64\], \[64, 64\] → \[64, 64\]/);
  assert.match(stdout, /\na run, unobserved: [\d.]+ ms; its kernels' own times: [\d.]+ ms, ratio [\d.]+\n/);
});

test("bfloat16 is compared with float32 where the engine multiplies tiles of it, and is not available elsewhere", () => {
  for (const instructionSet of ["avx512bf16", "reference"]) {
    assert.equal(
      mixedPrecisionLine(instructionSet),
      "chargpt at width 512, bfloat16 ÷ float32: not available (the engine runs without AMX here)",
    );
  }
});
