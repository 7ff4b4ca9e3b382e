import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { onEachBackend } from "./eachBackend.ts";
import { classifier, points } from "./problem.ts";

const { nn, optim } = ng;

/** Counts the turns of the event loop while `act` runs. */
async function turnsDuring(act: (turns: () => number) => Promise<unknown>): Promise<void> {
  let turns = 0;
  let next: NodeJS.Immediate;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  next = setImmediate(count);
  try {
    await act(() => turns);
  } finally {
    clearImmediate(next);
  }
}

onEachBackend("the event loop", (backend) => {
  test("turns between the batches of fit, evaluate and predict", async () => {
    await turnsDuring(async (turns) => {
      const model = classifier();
      const data = points(600);
      await model.fit(data, { batchSize: 2 });
      assert.ok(turns() > 0);
      const afterFit = turns();
      await model.evaluate(data, { batchSize: 1 });
      await model.predict(data[0], { batchSize: 1 });
      assert.ok(turns() > afterFit);
    });
  });

  const skip = backend === "native" ? false : "the reference computes on the thread of the event loop";
  test("goes on turning while a step is computed", { skip }, async () => {
    const model = nn.sequential([
      nn.conv2d({ filters: 16, kernelSize: 3, activation: "relu" }),
      nn.conv2d({ filters: 32, kernelSize: 3, activation: "relu" }),
      nn.globalAveragePooling2d(),
      nn.dense({ units: 10 }),
    ]);
    model.compile({ optimizer: optim.sgd(), loss: "sparseCategoricalCrossentropy" });
    const x = ng.ones([64 * 7, 28, 28, 1]);
    const y = ng.zeros([64 * 7], { dtype: "int32" });
    await turnsDuring(async (turns) => {
      const atEnd: number[] = [];
      await model.fit([x, y], {
        batchSize: 64,
        callbacks: [{ onBatchEnd: () => void atEnd.push(turns()) }],
      });
      // The first step is compiled within the loop. A step takes milliseconds, a turn of the loop microseconds.
      const during = atEnd.slice(1).map((turn, i) => turn - (atEnd[i] ?? 0));
      assert.ok(Math.min(...during) >= 10, `turns in each step: ${during.join(", ")}`);
    });
  });
});
