/** The sweeps of the benchmark: their shapes, their work, what is printed of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import type { Measurement } from "../../bench/harness/index.ts";
import { parseBenchArguments, summary, sweepTable, UsageError } from "../../bench/harness/index.ts";
import { sweeps } from "../../bench/sweeps/index.ts";

const known = { gemm: ["gemm_1", "gemm_2"] };

describe("a sweep", () => {
  for (const { name, tasks } of sweeps) {
    test(`${name}: names are different and say which work it is`, () => {
      assert.equal(new Set(tasks.map((task) => task.name)).size, tasks.length);
      for (const task of tasks) assert.equal(task.work, name);
    });
  }

  test("gemm has 40 shapes; conv has those of both networks; memory has five operations", () => {
    assert.deepEqual(
      sweeps.map(({ name, tasks }) => [name, tasks.length]),
      [
        ["gemm", 40],
        ["conv", 53],
        ["memory", 5],
      ],
    );
  });

  test("the work of a task gives as many elements as its arithmetic says", () => {
    for (const [name, size] of [
      ["gemm_48x64x64x32_nt", 48 * 64 * 64],
      ["gemm_784x512x128_tn", 784 * 512],
      ["dwconv3x3_14_576_s2", 7 * 7 * 576],
      ["conv3x3_7_512_512", 7 * 7 * 512],
      ["memory_layerNorm", 2 ** 24],
      ["memory_adam", 1000],
    ] as const) {
      const sweep = sweeps.find(({ tasks }) => tasks.some((task) => task.name === name));
      const task = sweep?.tasks.find((one) => one.name === name);
      assert.ok(sweep && task, name);
      const inputs = Object.fromEntries(
        Object.entries(task.inputs()).map(([key, { shape, data }]) => [key, ng.tensor(data, { shape })]),
      );
      assert.equal(sweep.prepare(inputs, task.parameters ?? {})().size, size);
    }
  });

  test("is chosen by name, and its tasks by theirs", () => {
    const { sweep, workloads } = parseBenchArguments(["--sweep", "gemm", "gemm_2"], ["alpha"], known);
    assert.deepEqual([sweep, workloads], ["gemm", ["gemm_2"]]);
    assert.throws(
      () => parseBenchArguments(["--sweep", "fft"], ["alpha"], known),
      (error) =>
        error instanceof UsageError && /a sweep from gemm after --sweep; received "fft"/.test(error.message),
    );
  });
});

const product: Measurement = {
  task: {
    name: "product",
    about: "",
    unit: "ms",
    check: { kind: "none" },
    peers: true,
    flops: 4e9,
    inputs: () => ({}),
  },
  outcomes: new Map([
    ["nagare", { kind: "measured", times: [40] }],
    ["torch", { kind: "measured", times: [80] }],
  ]),
};

/** Of which the medians are 2·10¹¹ and 10¹⁰. */
const peaks = [
  { flops: 2e11, bytes: 1e9 },
  { flops: 3e11, bytes: 1e10 },
  { flops: 1e11, bytes: 2e10 },
];

test("a sweep's table has operations a second, the share of the peak and the ratio", () => {
  const [, line] = sweepTable([product], ["nagare", "torch"], peaks).split("\n");
  assert.equal(line?.replaceAll(/ +/g, " "), "product GFLOP/s 100.0 50.0 50 % 0.50 (torch)");
});

test("where memory is measured, they are bytes a second", () => {
  const sum = { ...product, task: { ...product.task, bytes: 3.2e8 } };
  const [, line] = sweepTable([sum], ["nagare", "torch"], peaks).split("\n");
  assert.equal(line?.replaceAll(/ +/g, " "), "product GB/s 8.0 4.0 80 % 0.50 (torch)");
});

test("the summary has the geometric mean of the ratios", () => {
  const slower: Measurement = {
    ...product,
    outcomes: new Map([
      ["nagare", { kind: "measured", times: [80] }],
      ["torch", { kind: "measured", times: [40] }],
    ]),
  };
  assert.equal(summary([product, slower]), "geometric mean of 2 ratios: 1.00; largest: 2.00");
  assert.equal(summary([]), undefined);
});
