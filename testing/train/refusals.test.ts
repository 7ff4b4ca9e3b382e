import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { onEachBackend } from "./eachBackend.ts";
import { classifier, points, weightsOf } from "./problem.ts";

const { data, nn, optim, DTypeError, ShapeError, ValueError } = ng;

type Kind = typeof ValueError | typeof ShapeError | typeof DTypeError;

/** The data of three good batches of two, with what `spoil` makes of the third. */
function spoiled(spoil: (x: ng.Tensor, y: ng.Tensor) => unknown): ng.train.LabeledData {
  const [x, y] = points(6);
  const batch = (i: number) => [x.slice([2 * i, 2 * i + 2]), y.slice([2 * i, 2 * i + 2])] as const;
  return data.fromIterable([batch(0), batch(1), spoil(...batch(2)) as readonly [ng.Tensor, ng.Tensor]]);
}

const ints = (values: number[]) => ng.tensor(values, { dtype: "int32" });
const scalar = (value: number) => ng.tensor(value);

const badBatches: readonly (readonly [
  what: string,
  spoil: (x: ng.Tensor, y: ng.Tensor) => unknown,
  kind: Kind,
  says: RegExp,
])[] = [
  [
    "a class too high",
    (x) => [x, ints([0, 2])],
    ValueError,
    /labels from 0 to 1.*2 outputs.*received 2 at position 1/,
  ],
  ["a class too low", (x) => [x, ints([-1, 0])], ValueError, /received -1 at position 0/],
  ["labels that are NaN", (x) => [x, ng.tensor([0, Number.NaN])], ValueError, /finite labels.*position 1/],
  [
    "half labels that are NaN",
    (x) => [x, ng.tensor([Number.POSITIVE_INFINITY, 0], { dtype: "bfloat16" })],
    ValueError,
    /finite labels.*position 0/,
  ],
  ["float labels", (x) => [x, ng.ones([2])], DTypeError, /integer labels.*float32\[2\].*astype/],
  ["bool labels", (x, y) => [x, y.astype("bool")], DTypeError, /integer labels.*bool\[2\]/],
  ["too few labels", (x) => [x, ints([0])], ShapeError, /as many labels.*int32\[1\]/],
  ["labels without an axis", (x) => [x, ng.tensor(1, { dtype: "int32" })], ShapeError, /as many labels/],
  [
    "one-hot labels",
    (x, y) => [x, ng.oneHot(y, 2).astype("int32")],
    ShapeError,
    /sparseCategorical.*\[2, 2\]/,
  ],
  ["other features", (_x, y) => [ng.ones([2, 3]), y], ShapeError, /Dense.*\[\.\.\., 2\].*float32\[2, 3\]/],
  ["inputs of another rank", (_x, y) => [ng.ones([2]), y], ShapeError, /BatchNorm.*float32\[8\]/],
  ["inputs without an axis", (_x, y) => [scalar(1), y], ValueError, /at least one example.*float32\[\]/],
  ["no examples", () => [ng.zeros([0, 2]), ints([])], ValueError, /at least one example.*float32\[0, 2\]/],
  ["inputs that are NaN", (x, y) => [x.mul(Number.NaN), y], ValueError, /loss is NaN.*before this batch/],
  [
    "inputs that are infinite",
    (x, y) => [x.mul(Number.POSITIVE_INFINITY), y],
    ValueError,
    /finite loss and gradients.*before this batch/,
  ],
  ["a tensor alone", (x) => x, ValueError, /batches \[x, y\].*received float32\[2, 2\]/],
  ["three tensors", (x, y) => [x, y, y], ValueError, /received an array of 3/],
  ["numbers", () => [1, 2], ValueError, /received an array of 2/],
  ["other names", (x, y) => ({ images: x, labels: y }), ValueError, /received an object with images, labels/],
  ["nothing", () => undefined, ValueError, /received undefined/],
];

/** Ends a run after some batches. */
function stopAfter(batches: number): ng.train.Callback {
  return {
    onBatchEnd({ batch }, _logs, control) {
      if (batch === batches) control.stop();
    },
  };
}

onEachBackend("bad data", () => {
  for (const [what, spoil, kind, says] of badBatches) {
    test(`${what} in the third batch: an error, and the state after the second`, async () => {
      const randomState = () => String(ng.random.generatorState().value.toArray());
      const make = () => classifier([nn.batchNormalization(), nn.dropout({ rate: 0.3 })]);
      const [expected, x] = [make(), points(2)[0]];
      await expected.fit(
        spoiled((...good) => good),
        { callbacks: [stopAfter(2)] },
      );
      const random = randomState();
      const model = make();
      await assert.rejects(model.fit(spoiled(spoil)), (error: Error) => {
        assert.equal(error.constructor, kind, `${error.name}: ${error.message}`);
        assert.match(error.message, says);
        assert.match(error.message, /^fit, epoch 1, batch 3: /);
        return true;
      });
      assert.equal(weightsOf(model), weightsOf(expected));
      assert.equal(randomState(), random);
      assert.deepEqual((await model.predict(x)).dataSync(), (await expected.predict(x)).dataSync());
    });
  }

  test("a gradient that is not finite changes nothing, though the loss is finite", async () => {
    const model = nn.sequential([nn.dense({ units: 1, kernelInitializer: "zeros" })]);
    // √0 is finite and its derivative is not.
    model.compile({
      optimizer: optim.adam(),
      loss: (_y, p) => p.abs().sqrt().mul(p.sign()).add(ng.sqrt(p)).mean(),
    });
    await assert.rejects(model.fit([ng.ones([2, 3]), ng.ones([2, 1])]), (error: Error) =>
      /the loss is 0, but a gradient is NaN or infinite/.test(error.message),
    );
    assert.deepEqual(model.stateDict().get("layers.0.kernel")?.toArray(), [[0], [0], [0]]);
  });

  test("evaluate refuses labels as fit does, and gives NaN for inputs that are NaN", async () => {
    const model = classifier();
    const [x] = points(2);
    await assert.rejects(model.evaluate([x, ints([0, 2])]), (error: Error) =>
      /^evaluate, batch 1: .*from 0 to 1/.test(error.message),
    );
    assert.ok(Number.isNaN((await model.evaluate([x.mul(Number.NaN), ints([0, 1])])).loss));
  });
});

const rejects = async (act: () => Promise<unknown>, kind: Kind, says: RegExp): Promise<void> => {
  await assert.rejects(act, (error: Error) => {
    assert.equal(error.constructor, kind, `${error.name}: ${error.message}`);
    assert.match(error.message, says);
    return true;
  });
};

describe("fit, evaluate and predict refuse", () => {
  const [x, y] = points(4);
  const anything = <T>(value: unknown) => value as T;
  const cases: readonly (readonly [string, (model: ng.nn.Module) => Promise<unknown>, Kind, RegExp])[] = [
    ["epochs of 0", (model) => model.fit([x, y], { epochs: 0 }), ValueError, /fit: epochs.*received 0/],
    ["a batch size of 0", (model) => model.fit([x, y], { batchSize: 0 }), ValueError, /fit: batchSize/],
    [
      "a batch size of 1.5",
      (model) => model.evaluate([x, y], { batchSize: 1.5 }),
      ValueError,
      /evaluate: batchSize/,
    ],
    [
      "a batch size of NaN",
      (model) => model.predict(x, { batchSize: Number.NaN }),
      ValueError,
      /predict: batchSize/,
    ],
    [
      "checkpoints every 0 batches",
      (model) => model.fit([x, y], { checkpoint: { folder: "runs", everyBatches: 0 } }),
      ValueError,
      /everyBatches/,
    ],
    [
      "no checkpoints",
      (model) => model.fit([x, y], { checkpoint: { folder: "runs", keep: 0 } }),
      ValueError,
      /keep/,
    ],
    [
      "checkpoints in no folder",
      (model) => model.fit([x, y], { checkpoint: { folder: "" } }),
      ValueError,
      /path of a folder/,
    ],
    [
      "inputs and labels of other numbers",
      (model) => model.fit([x, y.slice([0, 3])]),
      ShapeError,
      /\[4, 2\].*\[3\]/,
    ],
    ["no examples", (model) => model.fit([ng.zeros([0, 2]), ints([])]), ValueError, /at least one example/],
    [
      "no examples to evaluate",
      (model) => model.evaluate([ng.zeros([0, 2]), ints([])]),
      ValueError,
      /at least one/,
    ],
    [
      "no examples to predict",
      (model) => model.predict(ng.zeros([0, 2])),
      ValueError,
      /at least one example/,
    ],
    ["a scalar to predict", (model) => model.predict(scalar(1)), ValueError, /\[examples, …\].*float32\[\]/],
    [
      "an array to predict",
      (model) => model.predict(anything([1])),
      ValueError,
      /tensor of inputs.*array of 1/,
    ],
    ["data that are no data", (model) => model.fit(anything(7)), ValueError, /fit.*\[x, y\].*received 7/],
    ["data that are missing", (model) => model.fit(anything(undefined)), ValueError, /received undefined/],
    [
      "an empty dataset",
      (model) => model.fit(data.fromGenerator<ng.train.LabeledBatch>(() => [])),
      ValueError,
      /data is empty/,
    ],
    [
      "validation data that are no data",
      (model) => model.fit([x, y], { validationData: anything([x]) }),
      ValueError,
      /validationData.*array of 1/,
    ],
    ["inputs of other features", (model) => model.predict(ng.ones([4, 3])), ShapeError, /Dense.*\[4, 3\]/],
  ];
  for (const [what, act, kind, says] of cases) {
    test(what, async () => {
      const model = classifier();
      await model.predict(x);
      const before = weightsOf(model);
      await rejects(() => act(model), kind, says);
      assert.equal(weightsOf(model), before);
    });
  }

  test("a model that is not compiled; predict needs no compile", async () => {
    const model = nn.sequential([nn.dense({ units: 2 })]);
    await rejects(() => model.fit([x, y]), ValueError, /fit: the model is not compiled.*model\.compile/);
    await rejects(() => model.evaluate([x, y]), ValueError, /evaluate: the model is not compiled/);
    assert.deepEqual((await model.predict(x)).shape, [4, 2]);
  });

  test("a model without trainable variables", async () => {
    const model = nn.sequential([nn.flatten()]);
    model.compile({ optimizer: optim.sgd(), loss: "sparseCategoricalCrossentropy" });
    await rejects(() => model.fit([x, y]), ValueError, /trainable variables; Sequential has none/);
    assert.ok(Number.isFinite((await model.evaluate([x, y])).loss));
  });

  test("losses and metrics that are no scalars", async () => {
    const model = nn.sequential([nn.dense({ units: 2 })]);
    const vector = (_y: ng.Tensor, p: ng.Tensor) => p.sum({ axis: 1 });
    model.compile({ optimizer: optim.sgd(), loss: vector });
    await rejects(() => model.fit([x, y]), ShapeError, /loss vector.*float scalar.*float32\[4\].*mean/);
    model.compile({ optimizer: optim.sgd(), loss: "sparseCategoricalCrossentropy", metrics: [vector] });
    await rejects(() => model.evaluate([x, y]), ShapeError, /metric vector.*scalar/);
    model.compile({ optimizer: optim.sgd(), loss: anything(() => 3) });
    await rejects(() => model.fit([x, y]), ShapeError, /received 3/);
  });

  test("an error of the data itself comes out as it is", async () => {
    const failure = new Error("no such file");
    const broken = data.fromTensors([x, y] as const).map(() => {
      throw failure;
    });
    await assert.rejects(classifier().fit(broken as unknown as ng.train.LabeledData), failure);
  });
});
