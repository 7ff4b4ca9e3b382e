/** The sweeps of the benchmark: their shapes, their work, what is printed of them. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as ng from "nagare";
import type { Measurement } from "../../bench/harness/index.ts";
import { parseBenchArguments, summary, sweepTable, UsageError } from "../../bench/harness/index.ts";
import { nets } from "../../bench/nets/index.ts";
import { sweeps } from "../../bench/sweeps/index.ts";
import { ops } from "../../bench/sweeps/ops.ts";
import { tensorsOf, workOf } from "../../bench/work.ts";

const known = { gemm: ["gemm_1", "gemm_2"] };

describe("a sweep", () => {
  for (const { name, tasks } of sweeps) {
    test(`${name}: names are different and say which work it is`, () => {
      assert.equal(new Set(tasks.map((task) => task.name)).size, tasks.length);
      for (const task of tasks) {
        if (name !== "sizes" && name !== "nets") assert.equal(task.work, name);
        assert.ok(workOf(task));
      }
    });
  }

  test("gemm has 40 shapes; conv has those of both networks; memory has five operations; ops, sizes and nets have many", () => {
    assert.deepEqual(
      sweeps.map(({ name, tasks }) => [name, tasks.length]),
      [
        ["gemm", 40],
        ["conv", 53],
        ["memory", 5],
        ["ops", 224],
        ["sizes", 58],
        ["nets", 25],
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
      ["sumMiddle_20x25x20", 20 * 20],
      ["takeRowsGrad_1000x16", 1000 * 16],
      ["crossEntropyGrad_128x10", 128 * 10],
      ["batchNormGrad_8x8x8x16", 8 * 8 * 8 * 16],
      ["maxPoolGrad_8x14x14x32", 8 * 14 * 14 * 32],
      ["lstmGrad_1x100x256", 100 * 256],
      ["adam_100x64x64", 64 * 64],
    ] as const) {
      const sweep = sweeps.find(({ tasks }) => tasks.some((task) => task.name === name));
      const task = sweep?.tasks.find((one) => one.name === name);
      assert.ok(sweep && task, name);
      assert.equal(workOf(task)(tensorsOf(task.inputs()), task.parameters ?? {})().size, size);
    }
  });

  for (const peer of ["torch", "jax", "tensorflow"]) {
    test(`ops: ${peer} has every operation`, async () => {
      const script = await readFile(join(import.meta.dirname, `../../bench/peers/${peer}_ops.py`), "utf8");
      // What has a state of its own is made by functions: the optimizers, and TensorFlow's recurrent layers.
      const apart = ["adam", "sgdMomentum", "lstm", "gru"];
      const operations = ops.tasks.map(({ parameters }) => String(parameters?.operation));
      const lacking = operations.filter(
        (name) => !script.includes(`    "${name}": `) && !apart.includes(name),
      );
      assert.deepEqual(lacking, []);
    });
  }

  for (const peer of ["torch", "jax"]) {
    test(`nets: ${peer} has every network`, async () => {
      const script = await readFile(join(import.meta.dirname, `../../bench/peers/${peer}_nets.py`), "utf8");
      assert.deepEqual(
        nets.filter(({ name }) => !script.includes(`    "${name}": `)).map(({ name }) => name),
        [],
      );
    });
  }

  for (const net of nets) {
    test(`nets: ${net.name} ${net.check.kind === "losses" ? "learns" : "gives finite numbers"}`, async () => {
      const run = net.prepare(tensorsOf(net.inputs()), net.parameters ?? {});
      const first = Float32Array.from(await run().data(), Number);
      assert.ok(first.length > 0 && first.every(Number.isFinite));
      if (net.check.kind !== "losses") return;
      assert.equal(first.length, 1);
      for (let step = 0; step < 10; step += 1) run();
      assert.ok(Number(run().item()) < (first[0] ?? 0));
    });
  }

  test("ops: a gradient is that of the sum of the result times the cotangent, which comes last", async () => {
    const [x, y, cotangent] = [
      [2, 3],
      [5, -7],
      [10, 1],
    ].map((values) => ng.tensor(values)) as [ng.Tensor, ng.Tensor, ng.Tensor];
    const work = (operation: string, inputs: readonly ng.Tensor[]) =>
      ops.prepare(Object.fromEntries(inputs.map((one, i) => [`x${i}`, one])), {
        operation,
        gradient: true,
      })();
    // The derivative of mean((x − y)²) is x − y for two elements.
    assert.deepEqual(work("meanSquaredError", [x, y, ng.tensor(3)]).toArray(), [-9, 30]);
    const picked = ng.tensor([1, 1], { dtype: "int32" });
    assert.deepEqual(work("segmentSum", [x, picked, cotangent]).toArray(), [0, 11]);
  });

  test("ops: a layer has the weights that the peers have", () => {
    const x = ng.ones([1, 2, 1]);
    const [kernel, recurrent] = [ng.tensor([[1, 0, 2, 3]]), ng.tensor([[0.5, 0.25, -1, 2]])];
    const run = ops.prepare({ x, kernel, recurrent }, { operation: "lstm", gradient: false });
    const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
    const cell = sigmoid(1) * Math.tanh(2);
    const [first] = (run().toArray() as number[][][])[0] ?? [];
    assert.ok(Math.abs((first?.[0] ?? 0) - sigmoid(3) * Math.tanh(cell)) < 1e-6);
  });

  test("is chosen by name, and its tasks by theirs", () => {
    const { sweep, workloads } = parseBenchArguments(["--sweep", "gemm", "gemm_2"], ["alpha"], known);
    assert.deepEqual([sweep, workloads], ["gemm", ["gemm_2"]]);
    const shapes = { ops: ["sum_1", "sum_2", "summary_1"] };
    assert.deepEqual(parseBenchArguments(["--sweep", "ops", "sum"], [], shapes).workloads, [
      "sum_1",
      "sum_2",
    ]);
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
