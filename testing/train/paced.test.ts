import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { type Backend, loadBackend, registerBackend } from "nagare/backend";

const { nn, optim } = ng;

test("steps of less than half a millisecond run at once, longer ones off the event loop", async (t) => {
  let clock = 0;
  const lasts: number[] = [];
  const ways: string[] = [];
  const reference = loadBackend("reference");
  const backend: Backend = {
    name: "timed",
    description: "the reference, by a clock of its own",
    prepare: reference.prepare.bind(reference),
    compile(graph) {
      const executable = reference.compile(graph);
      const run = (way: string, ...[inputs, reuse]: Parameters<typeof executable.run>) => {
        ways.push(way);
        clock += lasts.shift() ?? 0;
        return executable.run(inputs, reuse);
      };
      return {
        run: (...given) => run("at once", ...given),
        runAsync(...given) {
          const outputs = run("off the loop", ...given);
          return { outputs, pending: { done: Promise.resolve(), wait: () => undefined } };
        },
      };
    },
  };
  registerBackend("timed", () => backend);
  ng.setBackend("timed");
  try {
    const model = nn.sequential([nn.dense({ units: 2 })]);
    model.compile({ optimizer: optim.sgd(), loss: "meanSquaredError" });
    const data = [ng.ones([6, 3]), ng.zeros([6, 2])] as const;
    await model.fit(data, { batchSize: 6 });
    t.mock.method(performance, "now", () => clock);

    for (const pass of ["fit", "evaluate", "predict"] as const) {
      // The first one may have been compiled within.
      lasts.push(9, 0.4, 0.4, 0.6, 0.4, 0.4);
      ways.length = 0;
      if (pass === "fit") await model.fit(data, { batchSize: 1 });
      else if (pass === "evaluate") await model.evaluate(data, { batchSize: 1 });
      else await model.predict(data[0], { batchSize: 1 });
      assert.deepEqual(
        ways,
        ["off the loop", "off the loop", "at once", "at once", "off the loop", "at once"],
        pass,
      );
    }
  } finally {
    ng.setBackend("reference");
  }
});
