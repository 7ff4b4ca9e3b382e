import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { onEachBackend } from "./eachBackend.ts";
import { classifier, points, weightsOf } from "./problem.ts";

const { data, nn, optim, train, ValueError } = ng;

const close = (actual: number | undefined, expected: number) =>
  assert.ok(Math.abs(Number(actual) - expected) < 1e-5, `expected ${expected}; received ${actual}`);

onEachBackend("fit", () => {
  test("learns, and reports training and validation figures of each epoch", async () => {
    const model = classifier();
    const { epochs, steps } = await model.fit(points(200), {
      epochs: 12,
      batchSize: 20,
      validationData: points(50, 1),
    });
    assert.equal(steps, 120);
    assert.equal(epochs.length, 12);
    assert.deepEqual(Object.keys(epochs[0] ?? {}), ["loss", "accuracy", "valLoss", "valAccuracy"]);
    const last = epochs.at(-1);
    assert.ok(Number(last?.accuracy) > 0.9 && Number(last?.valAccuracy) > 0.85, JSON.stringify(last));
    assert.ok(Number(last?.loss) < Number(epochs[0]?.loss));
    const evaluated = await model.evaluate(points(50, 1));
    close(evaluated.loss, Number(last?.valLoss));
    close(evaluated.accuracy, Number(last?.valAccuracy));
  });

  test("a smaller last batch counts by its examples, in training and evaluation", async () => {
    const [x, y] = points(10);
    const model = classifier();
    const whole = await model.evaluate([x, y], { batchSize: 10 });
    for (const batchSize of [3, 4, 256]) {
      const parts = await model.evaluate([x, y], { batchSize });
      close(parts.loss, Number(whole.loss));
      close(parts.accuracy, Number(whole.accuracy));
    }
    // A rate this small leaves the weights as they are: the figures of all batches are those of one model.
    model.compile({ optimizer: optim.sgd(1e-30), loss: "sparseCategoricalCrossentropy" });
    const { epochs } = await model.fit([x, y], { batchSize: 4 });
    close(epochs[0]?.loss, Number(whole.loss));
  });

  test("inference does not drop, does not normalize by the batch, and changes nothing", async () => {
    const model = classifier([nn.batchNormalization(), nn.dropout({ rate: 0.5 })]);
    const [x, y] = points(30);
    await model.fit([x, y]);
    const before = weightsOf(model);
    const [first, second] = [await model.evaluate([x, y]), await model.evaluate([x, y], { batchSize: 7 })];
    close(second.loss, Number(first.loss));
    await model.predict(x);
    assert.equal(weightsOf(model), before);
  });

  test("data come as pairs, as records, as datasets", async () => {
    const [x, y] = points(24);
    const forms = [
      [x, y] as const,
      { x, y },
      data.fromTensors([x, y] as const).batch(8),
      data.fromTensors({ x, y }).batch(8),
    ];
    const weights: string[] = [];
    for (const form of forms) {
      const model = classifier();
      await model.fit(form, { epochs: 2, batchSize: 8, shuffle: false });
      assert.equal((await model.predict(x)).shape[0], 24);
      close((await model.evaluate(form)).loss, Number((await model.evaluate([x, y])).loss));
      weights.push(weightsOf(model));
    }
    assert.equal(new Set(weights).size, 1);
  });

  test("tensors are shuffled anew each epoch unless told otherwise, by the seed", async () => {
    const x = ng.arange(8).reshape([8, 1]);
    const run = async (shuffle: ng.train.FitOptions["shuffle"]): Promise<string> => {
      const losses: number[] = [];
      const model = nn.sequential([nn.dense({ units: 1, kernelInitializer: "zeros" })]);
      model.compile({ optimizer: optim.sgd(1e-30), loss: "meanSquaredError" });
      await model.fit([x, x], {
        epochs: 2,
        batchSize: 1,
        shuffle,
        callbacks: [{ onBatchEnd: ({ batch }, { loss = 0 }) => void losses.push(loss * batch) }],
      });
      // The sum of x² so far tells which came.
      const order = losses.map((sum, i) => Math.round(Math.sqrt(sum - (i % 8 ? Number(losses[i - 1]) : 0))));
      for (const epoch of [order.slice(0, 8), order.slice(8)])
        assert.deepEqual(epoch.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7]);
      return order.join(" ");
    };
    assert.equal(await run(false), "0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7");
    const orders = [await run(true), await run(undefined), await run({ seed: 0 }), await run({ seed: 1 })];
    assert.equal(new Set(orders).size, 2);
    assert.notEqual(orders[0]?.slice(0, 15), orders[0]?.slice(16));
  });

  test("losses and metrics may be functions, which name their figures", async () => {
    const model = nn.sequential([nn.dense({ units: 1 })]);
    const absolute = (y: ng.Tensor, p: ng.Tensor) => y.sub(p).abs().mean();
    model.compile({
      optimizer: optim.sgd(0.1),
      loss: absolute,
      metrics: ["meanSquaredError", absolute, (y, p) => y.sub(p).abs().max()],
    });
    const x = ng.ones([4, 2]);
    const figures = await model.evaluate([x, ng.zeros([4, 1])]);
    assert.deepEqual(Object.keys(figures), ["loss", "meanSquaredError", "absolute", "metric2"]);
    close(figures.loss, Number(figures.absolute));
    close(figures.meanSquaredError, Number(figures.metric2) ** 2);
  });

  test("a second call goes on where the first ended", async () => {
    const [x, y] = points(16);
    const options = { epochs: 2, batchSize: 8, shuffle: false } as const;
    const once = classifier();
    await once.fit([x, y], { ...options, epochs: 4 });
    const twice = classifier();
    await twice.fit([x, y], options);
    const { steps } = await twice.fit([x, y], options);
    assert.equal(steps, 4);
    assert.equal(weightsOf(once), weightsOf(twice));
  });

  test("the same seed gives the same bits", async () => {
    const weights: string[] = [];
    for (const seed of [1, 1, 2]) {
      const model = classifier([nn.batchNormalization(), nn.dropout({ rate: 0.2 })], seed);
      await model.fit(points(40), { epochs: 3, batchSize: 8 });
      weights.push(weightsOf(model));
    }
    assert.equal(weights[0], weights[1]);
    assert.notEqual(weights[0], weights[2]);
  });

  test("variables that are not trainable stay as they are", async () => {
    const model = classifier();
    const [x, y] = points(16);
    await model.predict(x);
    const [first] = model.trainableVariables() as [ng.Variable];
    first.trainable = false;
    const before = first.value.toArray();
    await model.fit([x, y], { epochs: 2 });
    assert.deepEqual(first.value.toArray(), before);
    assert.equal(model.trainableVariables().length, 3);
  });

  test("predictions while training are those of a state between two updates", async () => {
    const model = classifier([nn.dropout({ rate: 0.5 })]);
    const [x, y] = points(8);
    const fitting = model.fit([x, y], { epochs: 20, batchSize: 2 });
    const during: ng.Tensor[] = [];
    for (let i = 0; i < 10; i++) during.push(await model.predict(x));
    await fitting;
    for (const output of during) assert.ok(Number(output.abs().max().item()) < 100);
    assert.notDeepEqual(during[0]?.dataSync(), during.at(-1)?.dataSync());
    assert.deepEqual((await model.predict(x)).shape, [8, 2]);
  });
});

test("callbacks are told in order, one after the other, and awaited", async () => {
  const told: string[] = [];
  const callback = (name: string): ng.train.Callback => ({
    async onTrainBegin() {
      await new Promise((resolve) => setTimeout(resolve, 5));
      told.push(`${name} begins`);
    },
    onBatchEnd: ({ epoch, batch, batches, examples }) =>
      void told.push(`${name} ${epoch}:${batch}/${batches} ${examples}`),
    onEpochEnd: ({ epoch, examples }, logs) =>
      void told.push(`${name} epoch ${epoch} ${examples} ${Object.keys(logs).join(" ")}`),
    onTrainEnd: (history) => void told.push(`${name} ends ${history.length}`),
    onTrainError: () => void told.push(`${name} fails`),
  });
  const model = classifier();
  await model.fit(points(5), {
    epochs: 2,
    batchSize: 3,
    validationData: points(2),
    callbacks: [callback("a"), callback("b")],
    verbose: false,
  });
  const both = (text: string) => [`a ${text}`, `b ${text}`];
  assert.deepEqual(told, [
    ...both("begins"),
    ...[0, 1].flatMap((epoch) => [
      ...both(`${epoch}:1/2 3`),
      ...both(`${epoch}:2/2 5`),
      ...both(`epoch ${epoch} 5 loss accuracy valLoss valAccuracy`),
    ]),
    ...both("ends 2"),
  ]);
});

test("a callback may stop the run; the epoch ends as usual", async () => {
  const seen: string[] = [];
  const model = classifier();
  const { epochs, steps } = await model.fit(points(9), {
    epochs: 5,
    batchSize: 3,
    validationData: points(3),
    callbacks: [
      {
        onBatchEnd({ epoch, batch }, _logs, control) {
          seen.push(`${epoch}:${batch}`);
          if (epoch === 1 && batch === 2) control.stop();
        },
        onTrainEnd: (_history, control) => void seen.push(`end ${control.module === model}`),
      },
    ],
  });
  assert.deepEqual(seen, ["0:1", "0:2", "0:3", "1:1", "1:2", "end true"]);
  assert.equal(steps, 5);
  assert.ok("valLoss" in (epochs[1] ?? {}));
});

test("what a callback throws ends the run and comes out of fit", async () => {
  const failure = new Error("disk full");
  const told: unknown[] = [];
  const model = classifier();
  const fails: ng.train.Callback = {
    onEpochEnd() {
      throw failure;
    },
    onTrainError: (error) => void told.push(error),
    onTrainEnd: () => void told.push("end"),
  };
  await assert.rejects(model.fit(points(4), { epochs: 3, callbacks: [fails] }), failure);
  assert.deepEqual(told, [failure]);
  assert.equal((await model.fit(points(4))).epochs.length, 1);
});

test("a model is trained by one call at a time", async () => {
  const model = classifier();
  const first = model.fit(points(8), { epochs: 2 });
  await assert.rejects(model.fit(points(8)), (error: Error) => /trained already/.test(error.message));
  assert.equal((await first).epochs.length, 2);
  await model.fit(points(8));
});

test("schedules, accuracy of one-hot labels and losses of probabilities work together", async () => {
  ng.random.seed(0);
  const [x, classes] = points(64);
  const labels = ng.oneHot(classes, 2);
  const model = nn.sequential([
    nn.dense({ units: 8, activation: "tanh" }),
    nn.dense({ units: 2, activation: "softmax" }),
  ]);
  const crossEntropy = (y: ng.Tensor, p: ng.Tensor) =>
    nn.losses.categoricalCrossentropy(y, p, { fromLogits: false });
  const rate = (step: ng.Tensor) => ng.div(0.1, step.div(100).add(1));
  model.compile({ optimizer: optim.adamw(rate), loss: crossEntropy, metrics: ["accuracy"] });
  const { epochs } = await model.fit([x, labels], { epochs: 15, batchSize: 16 });
  assert.ok(Number(epochs.at(-1)?.accuracy) > 0.9, JSON.stringify(epochs.at(-1)));
});

test("compile refuses what it cannot use", () => {
  const model = nn.sequential([nn.flatten()]);
  const optimizer = optim.sgd();
  const refused = (options: object, says: RegExp) =>
    assert.throws(
      () => model.compile(options as ng.train.CompileOptions),
      (error: Error) => error instanceof ValueError && says.test(error.message),
    );
  refused({ optimizer, loss: "crossentropy" }, /one of sparseCategorical.*received "crossentropy"/);
  refused({ optimizer, loss: "meanSquaredError", metrics: ["precision"] }, /accuracy.*"precision"/);
  refused({ optimizer: "adam", loss: "meanSquaredError" }, /optim\.adam.*received adam/);
  const twice = ["accuracy", "accuracy"];
  refused({ optimizer, loss: "meanSquaredError", metrics: twice }, /"accuracy" twice/);
  const named = { loss: (y: ng.Tensor) => y.mean() };
  refused({ optimizer, loss: "meanSquaredError", metrics: [named.loss] }, /"loss" twice/);
});

test("accuracy takes integer, column and one-hot labels and refuses the rest", () => {
  const predictions = ng.tensor([
    [0.1, 0.9],
    [0.8, 0.2],
    [0.3, 0.7],
    [0.6, 0.4],
  ]);
  const labels = ng.tensor([1, 0, 0, 0], { dtype: "int64" });
  const forms = [labels, labels.reshape([4, 1]), ng.oneHot(labels, 2)];
  for (const form of forms) assert.equal(train.accuracy(form, predictions).item(), 0.75);
  assert.throws(() => train.accuracy(labels, ng.ones([4, 1])), /two classes or more/);
  assert.throws(() => train.accuracy(ng.ones([4]), predictions), /integer labels \[4\]/);
  assert.throws(() => train.accuracy(ng.zeros([3], { dtype: "int32" }), predictions), /\[4\] or one-hot/);
});
