import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Outcome } from "../../bench/harness/index.ts";
import {
  chart,
  driftLines,
  failures,
  jsonLines,
  machineName,
  median,
  ownMedians,
  ratioOf,
  readBaseline,
  table,
  writeBaseline,
} from "../../bench/harness/index.ts";
import { doubling, measured, measurement, task } from "./fakes.ts";

describe("the report", () => {
  test("the median of an even count is the mean of the middle two", () => {
    assert.equal(median([5, 1, 3]), 3);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  test("the ratio is ours to the fastest peer's, whoever failed", () => {
    const failed: Outcome = { kind: "failed", reason: "crashed" };
    const outcomes = { nagare: measured(6, 6), a: measured(4), b: measured(3), c: failed };
    assert.deepEqual(ratioOf(measurement(outcomes)), { ratio: 2, fastest: "b" });
    assert.equal(ratioOf(measurement({ nagare: failed, a: measured(4) })), undefined);
    assert.equal(ratioOf(measurement({ nagare: measured(4), a: failed })), undefined);
  });

  const measurements = [
    measurement({
      nagare: measured(12.345, 12.345),
      "jax-jit": measured(10),
      "tfjs-wasm": { kind: "failed", reason: "has no kernel" },
    }),
    measurement({ nagare: measured(1.5) }, task("dispatch", { kind: "none" }, { unit: "us", peers: false })),
    measurement(
      { nagare: measured(1234.5), "jax-jit": { kind: "unsupported" } },
      task("large", doubling.check),
    ),
  ];

  test("the table has a row for each workload and a column for each party", () => {
    assert.equal(
      table(measurements, ["nagare", "jax-jit", "tfjs-wasm"]),
      [
        "workload  unit  nagare  jax-jit  tfjs-wasm  ours ÷ fastest peer",
        "doubling  ms      12.3     10.0     failed       1.23 (jax-jit)",
        "dispatch  µs      1.50        –          –                    –",
        "large     ms      1235        –          –                    –",
      ].join("\n"),
    );
    assert.deepEqual(failures(measurements), ["doubling: tfjs-wasm has no kernel"]);
  });

  test("JSON has a line for each workload and party, and one for the ratio", () => {
    assert.deepEqual(
      measurements.flatMap(jsonLines).map((line) => JSON.parse(line)),
      [
        { peer: "nagare", workload: "doubling", ms: 12.345, min: 12.345, samples: 2 },
        { peer: "jax-jit", workload: "doubling", ms: 10, min: 10, samples: 1 },
        { peer: "tfjs-wasm", workload: "doubling", error: "has no kernel" },
        { workload: "doubling", ratio: 1.2345, fastest: "jax-jit" },
        { peer: "nagare", workload: "dispatch", us: 1.5, min: 1.5, samples: 1 },
        { peer: "nagare", workload: "large", ms: 1234.5, min: 1234.5, samples: 1 },
        { peer: "jax-jit", workload: "large", unsupported: true },
      ],
    );
  });
});

describe("a baseline", () => {
  test("keeps the times of workloads that did not run, and marks what is more than 5 % slower", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nagare-baseline-"));
    try {
      const file = join(folder, "machines", "this.json");
      await writeBaseline(file, { alpha: 10, beta: 20 });
      await writeBaseline(file, { beta: 40 });
      assert.deepEqual(await readBaseline(file), { alpha: 10, beta: 40 });
      assert.deepEqual(driftLines({ alpha: 10.4, beta: 44, gamma: 1 }, await readBaseline(file)), [
        "alpha  10.4, baseline 10: +4.0 %",
        "beta   44, baseline 40: +10.0 %  SLOWER",
        "gamma  1, without a baseline",
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("has our medians alone, and a machine's name is a file's", () => {
    const run = measurement({ nagare: measured(3, 1, 2), torch: measured(1) });
    assert.deepEqual(ownMedians([run]), { doubling: 2 });
    assert.match(machineName(), /^[a-z0-9-]+-x\d+-(sse4|avx2|avx512|amx|neon|reference)\w*$/);
  });
});

test("the chart has a bar for each workload with a ratio", () => {
  const text = chart(
    [measurement({ nagare: measured(1), torch: measured(2) }), measurement({ nagare: measured(1) })],
    "a < b",
  );
  assert.equal(text.match(/fill="#2a9d8f"/g)?.length, 1);
  assert.match(text, /a &lt; b/);
  assert.match(text, /0\.50 \(torch\)/);
});
