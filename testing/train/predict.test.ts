import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { onEachBackend } from "./eachBackend.ts";
import { classifier, points } from "./problem.ts";

const { data } = ng;

onEachBackend("predict", () => {
  test("is the model's output for all examples in their order, whatever the batch size", async () => {
    const model = classifier();
    const [x] = points(10);
    const expected = model.call(x);
    for (const batchSize of [1, 3, 5, 10, 256]) {
      const output = await model.predict(x, { batchSize });
      assert.deepEqual([output.shape, output.dtype], [[10, 2], "float32"]);
      assert.ok(Number(output.sub(expected).abs().max().item()) < 1e-6);
    }
  });

  test("takes datasets of batches, with labels or without", async () => {
    const model = classifier();
    const [x, y] = points(10);
    const expected = await model.predict(x);
    const forms = [
      data.fromTensors(x).batch(4),
      data.fromTensors([x, y] as const).batch(4),
      data.fromTensors({ x, y }).batch(3),
    ];
    for (const form of forms) {
      const output = await model.predict(form as ng.train.InputData);
      assert.equal(Number(output.sub(expected).abs().max().item()) < 1e-6, true);
    }
  });

  test("computes with the weights of now", async () => {
    const model = classifier();
    const [x, y] = points(4);
    const before = (await model.predict(x)).dataSync();
    await model.fit([x, y]);
    assert.notDeepEqual((await model.predict(x)).dataSync(), before);
    const zeros = [...model.stateDict()].map(([path, value]) => [path, ng.zerosLike(value)] as const);
    model.loadStateDict(new Map(zeros));
    assert.deepEqual((await model.predict(x)).toArray(), ng.zeros([4, 2]).toArray());
  });
});
