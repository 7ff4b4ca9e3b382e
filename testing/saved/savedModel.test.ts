import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import * as ng from "nagare";
import { nn, type Tensor } from "nagare";
import { load, save } from "../../packages/nagare/src/saved/index.ts";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { firstResult } from "../generator/cases.ts";
import { floats } from "./tensors.ts";

const root = mkdtempSync(join(tmpdir(), "nagare-model-"));
after(() => rmSync(root, { recursive: true, force: true }));
let folder = "";
let folders = 0;
beforeEach(() => {
  folder = join(root, String(folders++), "model", "1");
});

ng.setBackend("reference");

/** A network with state that training changes, built for images of 6 × 6. */
function network(): nn.Module {
  const model = nn.sequential([
    nn.conv2d({ filters: 3, kernelSize: 3, activation: "relu" }),
    nn.batchNormalization(),
    nn.dropout({ rate: 0.5 }),
    nn.flatten(),
    nn.dense({ units: 4 }),
  ]);
  model.call(ng.ones([2, 6, 6, 1]), { training: true });
  return model;
}

const ramp = (shape: readonly number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return floats(
    Array.from({ length: size }, (_, i) => Math.sin(i)),
    shape,
  );
};

function assertClose(actual: Tensor | undefined, expected: Tensor, tolerance = 1e-5): void {
  assert.ok(actual);
  assert.deepEqual(actual.shape, expected.shape);
  const [a, b] = [Array.from(actual.dataSync(), Number), Array.from(expected.dataSync(), Number)];
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - (b[i] ?? 0)) <= tolerance, `element ${i}: ${value}, not ${b[i]}`);
  });
}

describe("a saved model", () => {
  for (const backend of testedBackends) {
    test(`computes what the module does, for any batch size, on ${backend}`, async () => {
      const model = network();
      await save(model, folder);
      const loaded = await load(folder);
      assert.deepEqual(loaded.signatures, {
        serving_default: {
          inputs: { x: { dtype: "float32", shape: ["batch", 6, 6, 1] } },
          outputs: { y: { dtype: "float32", shape: ["batch", 4] } },
        },
      });
      for (const batch of [1, 2, 7]) {
        const x = ramp([batch, 6, 6, 1]);
        const expected = model.call(x);
        onBackend(backend, () => assertClose(loaded.call({ x }).y, expected));
      }
      ng.setBackend(backend);
      const { y } = await loaded.callAsync({ x: ramp([3, 6, 6, 1]) });
      ng.setBackend("reference");
      assertClose(y, model.call(ramp([3, 6, 6, 1])));
    });
  }

  test("names weights by their paths in the module", async () => {
    await save(network(), folder);
    const { weights } = await load(folder);
    assert.deepEqual([...weights.keys()].sort(), [
      "layers.0.bias",
      "layers.0.kernel",
      "layers.1.beta",
      "layers.1.gamma",
      "layers.1.movingMean",
      "layers.1.movingVariance",
      "layers.4.bias",
      "layers.4.kernel",
    ]);
  });

  test("does not change when the module trains on", async () => {
    const model = network();
    const x = ramp([2, 6, 6, 1]);
    const before = model.call(x);
    await save(model, folder);
    for (const variable of model.variables()) variable.assign(ng.zeros(variable.shape));
    assertClose((await load(folder)).call({ x }).y, before, 0);
  });

  test("saved twice has the same bytes", async () => {
    const model = network();
    await save(model, folder);
    await save(model, `${folder}b`);
    for (const file of readdirSync(folder)) {
      assert.deepEqual(readFileSync(join(`${folder}b`, file)), readFileSync(join(folder, file)), file);
    }
  });

  test("keeps metadata and describes its graph", async () => {
    const metadata = { labels: ["zero", "one"], trained: { epochs: 3 } };
    await save((x) => ng.add(x, 1), folder, { inputs: { x: { shape: ["batch"] } }, metadata });
    const loaded = await load(folder);
    assert.deepEqual(loaded.metadata, metadata);
    assert.match(loaded.describe(), /^graph\(%0: float32\[batch\]\) -> \(%2\)\n.*\n.*= add\(%0, %1\)$/);
  });

  test("tells what a call takes, at sizes by name", async () => {
    const model = new nn.Dense(4);
    model.call(ng.ones([1, 3]));
    await save(model, folder, { inputs: { x: { shape: [ng.dim("batch"), 3] } } });
    const loaded = await load(folder);
    const { inputBytes, outputBytes, weightBytes, arenaBytes, peakBytes } = loaded.memoryUse({ batch: 10 });
    assert.deepEqual([inputBytes, outputBytes, weightBytes], [120, 160, 64]);
    assert.equal(peakBytes, inputBytes + outputBytes + weightBytes + arenaBytes);
    assert.equal(loaded.memoryUse().inputBytes, 12);
    assert.throws(() => loaded.memoryUse({ width: 2 }), /sizes: expected sizes of batch; received "width"/);
    for (const batch of [0, -1, 1.5, Number.NaN])
      assert.throws(
        () => loaded.memoryUse({ batch }),
        /batch: expected a whole number of at least 1; received/,
      );
  });

  test("may have several inputs, outputs and signatures, which share weights", async () => {
    const w = ng.variable(ramp([3, 3]), { name: "w" });
    const both = (a: Tensor, b: Tensor) => ({ sum: ng.add(a, b), product: ng.matmul(a, w.value) });
    const shape = ["batch", 3];
    await save(both, folder, {
      inputs: { "1": { shape }, "0": { shape } },
      signatures: {
        twice: { call: (a) => ng.matmul(ng.matmul(a, w.value), w.value), inputs: { a: { shape } } },
      },
    });
    const loaded = await load(folder);
    assert.deepEqual([...loaded.weights.keys()], ["w"]);
    const [a, b] = [ramp([2, 3]), ng.ones([2, 3])];
    // Names that look like indices come first in any JavaScript object: here "0" is the first input.
    const { sum, product } = loaded.call({ "0": a, "1": b });
    assertClose(sum, ng.add(a, b));
    assertClose(product, ng.matmul(a, w.value));
    assertClose(loaded.call({ a }, "twice").y, ng.matmul(ng.matmul(a, w.value), w.value));
  });

  test("has sizes that are computed from free ones", async () => {
    const rows = (x: Tensor) => ng.concat([ng.reshape(x, [-1, 2]), ng.ones([1, 2])], { axis: 0 });
    await save(rows, folder, { inputs: { x: { shape: ["batch", "length", 4] } } });
    const loaded = await load(folder);
    assert.deepEqual(loaded.signatures.serving_default?.outputs, {
      y: { dtype: "float32", shape: ["2*batch*length+1", 2] },
    });
    assert.deepEqual(loaded.call({ x: ramp([3, 5, 4]) }).y?.shape, [31, 2]);
  });

  const scalars: Readonly<Record<string, Tensor>> = {
    "float32 NaN": ng.full([2], Number.NaN),
    "float32 −∞": ng.full([2], Number.NEGATIVE_INFINITY),
    "float32 −0": ng.full([2], -0),
    "float32 0.1": ng.tensor(0.1),
    "float64 0.1": ng.tensor(0.1, { dtype: "float64" }),
    "float16 0.1": ng.tensor(0.1, { dtype: "float16" }),
    "bfloat16 −∞": ng.tensor(Number.NEGATIVE_INFINITY, { dtype: "bfloat16" }),
    "int64 2⁶² + 1": ng.tensor(2n ** 62n + 1n),
    "bool true": ng.tensor(true),
    "bool [false, true]": ng.tensor([false, true]),
    "int8 −128": ng.tensor(-128, { dtype: "int8" }),
  };
  for (const [name, value] of Object.entries(scalars)) {
    test(`returns a constant as it was: ${name}`, async () => {
      await save(() => value, folder, { inputs: {} });
      const { y } = (await load(folder)).call({});
      assert.equal(y?.dtype, value.dtype);
      assert.deepEqual(y?.toArray(), value.toArray());
    });
  }

  test("may hold an infinity in a parameter", async () => {
    const masked = (x: Tensor) => ng.pad(x, [[1, 0]], { value: Number.NEGATIVE_INFINITY });
    await save(masked, folder, { inputs: { x: { shape: [2] } } });
    assert.deepEqual((await load(folder)).call({ x: ng.ones([2]) }).y?.toArray(), [
      Number.NEGATIVE_INFINITY,
      1,
      1,
    ]);
  });
});

describe("every primitive can be saved", () => {
  for (const op of ng.primitives()) {
    test(op.name, async () => {
      for (const sample of op.samples()) {
        const inputs = Object.fromEntries(
          sample.inputs.map(({ shape, dtype }, i) => [
            `x${i}`,
            { shape, dtype: dtype ?? op.dtypes[0] ?? "float32" },
          ]),
        );
        await save((...xs) => firstResult({ op, params: sample.params }, xs), folder, { inputs });
        assert.match((await load(folder)).describe(), new RegExp(`= ${op.name}\\(`));
      }
    });
  }
});
