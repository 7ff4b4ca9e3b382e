import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { classifier, points, weightsOf } from "./problem.ts";

const { train, ValueError } = ng;

/** A run whose figure is given by the test: epoch n reports the n-th. Returns the epochs run and the model's weights after each. */
async function run(figures: readonly number[], options: ng.train.EarlyStoppingOptions, monitor = "valLoss") {
  const model = classifier();
  const weights: string[] = [];
  const stopping = train.earlyStopping({ monitor, ...options });
  const scripted: ng.train.Callback = {
    onTrainBegin: () => stopping.onTrainBegin(),
    onEpochEnd(progress, _logs, control) {
      weights.push(weightsOf(model));
      stopping.onEpochEnd(progress, { [monitor]: figures[progress.epoch] ?? 0 }, control);
    },
    onTrainEnd: (history, control) => stopping.onTrainEnd(history, control),
  };
  const { epochs } = await model.fit(points(8), {
    epochs: figures.length,
    batchSize: 4,
    callbacks: [scripted],
  });
  return { ran: epochs.length, restored: weights.indexOf(weightsOf(model)), best: stopping.bestEpoch };
}

describe("early stopping", () => {
  test("stops at the first epoch without improvement and brings back the best weights", async () => {
    assert.deepEqual(await run([3, 2, 2.5, 1], {}), { ran: 3, restored: 1, best: 1 });
    assert.deepEqual(await run([3, 2, 2, 1], { patience: 1 }), { ran: 3, restored: 1, best: 1 });
  });

  test("waits as many epochs as patience says, counted anew after each improvement", async () => {
    assert.deepEqual(await run([3, 4, 2, 5, 5, 5, 1], { patience: 3 }), { ran: 6, restored: 2, best: 2 });
    assert.deepEqual(await run([3, 4, 2, 5, 5, 1], { patience: 3 }), { ran: 6, restored: 5, best: 5 });
  });

  test("more is better for accuracies and in the mode max", async () => {
    assert.deepEqual(await run([0.5, 0.7, 0.6], {}, "valAccuracy"), { ran: 3, restored: 1, best: 1 });
    assert.deepEqual(await run([0.5, 0.4], { mode: "min" }, "accuracy"), { ran: 2, restored: 1, best: 1 });
    assert.deepEqual(await run([1, 2, 1, 3], { mode: "max" }), { ran: 3, restored: 1, best: 1 });
  });

  test("changes up to minDelta do not count", async () => {
    assert.deepEqual(await run([1, 0.95, 0.91], { minDelta: 0.1 }), { ran: 2, restored: 0, best: 0 });
    assert.deepEqual(await run([1, 0.85, 0.7], { minDelta: 0.1 }), { ran: 3, restored: 2, best: 2 });
  });

  test("NaN never counts as an improvement, infinity does as a beginning", async () => {
    const { NaN: none, POSITIVE_INFINITY: infinite } = Number;
    assert.deepEqual(await run([none, none], { patience: 2 }), { ran: 2, restored: 1, best: undefined });
    assert.deepEqual(await run([none, 2, none], { patience: 2 }), { ran: 3, restored: 1, best: 1 });
    assert.deepEqual(await run([infinite, 2, 3], {}), { ran: 3, restored: 1, best: 1 });
  });

  test("keeps the last weights when told so", async () => {
    assert.deepEqual(await run([1, 2, 3], { patience: 2, restoreBestWeights: false }), {
      ran: 3,
      restored: 2,
      best: 0,
    });
  });

  test("the best weights come back also when the epochs run out first", async () => {
    assert.deepEqual(await run([1, 2, 3], { patience: 9 }), { ran: 3, restored: 0, best: 0 });
  });

  test("one callback may serve several runs", async () => {
    const stopping = train.earlyStopping({ monitor: "loss", patience: 5 });
    const model = classifier();
    for (let i = 0; i < 2; i++) {
      const { epochs } = await model.fit(points(8), { epochs: 2, callbacks: [stopping] });
      assert.equal(epochs.length, 2);
      assert.equal(stopping.bestEpoch, 1);
    }
  });

  test("a figure that the run does not have is an error that names those it has", async () => {
    await assert.rejects(
      classifier().fit(points(4), { callbacks: [train.earlyStopping()] }),
      (error: Error) =>
        error instanceof ValueError &&
        /"valLoss"; this run has loss, accuracy.*validationData/.test(error.message),
    );
  });

  test("impossible options are refused", () => {
    const refused = (options: object, says: RegExp) =>
      assert.throws(
        () => train.earlyStopping(options),
        (error: Error) => error instanceof ValueError && says.test(error.message),
      );
    refused({ patience: -1 }, /patience/);
    refused({ patience: 1.5 }, /patience/);
    refused({ minDelta: -1 }, /minDelta.*-1/);
    refused({ minDelta: Number.NaN }, /minDelta.*NaN/);
    refused({ mode: "auto" }, /"min" or "max".*"auto"/);
  });
});
