import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as ng from "nagare";
import { testedBackends } from "../generator/backends.ts";
import { seededRandom } from "../generator/draw.ts";
import { classifier, points, weightsOf } from "./problem.ts";

const { nn, optim, train, FormatError, ValueError } = ng;

const folder = mkdtempSync(join(tmpdir(), "nagare-resume-"));
after(() => rmSync(folder, { recursive: true }));

const program = fileURLToPath(new URL("trainingProcess.ts", import.meta.url));

/** Runs the training process; kills it once it has printed so many batches. Returns what it printed. */
function runProcess(
  backend: string,
  checkpoints?: string,
  killAfter = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const options = [program, backend, ...(checkpoints === undefined ? [] : [checkpoints])];
  const child = spawn(process.execPath, ["--conditions=nagare-source", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  const lines = () => text.split("\n").slice(0, -1);
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    if (lines().length >= killAfter) child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0 || signal === "SIGKILL") resolve(lines());
      else reject(new Error(`The training process ended with ${String(code ?? signal)}.`));
    });
  });
}

const isResult = (line: string | undefined) => line?.startsWith("{") ?? false;

for (const backend of testedBackends) {
  describe(`a training process on ${backend}`, () => {
    test("gives the same bits in two processes, and after being killed again and again", async () => {
      const [expected, again] = await Promise.all([runProcess(backend), runProcess(backend)]);
      assert.ok(isResult(expected.at(-1)));
      assert.equal(again.at(-1), expected.at(-1));
      const { bestEpoch, epochs } = JSON.parse(expected.at(-1) ?? "") as {
        bestEpoch: number;
        epochs: object[];
      };
      assert.ok(bestEpoch < epochs.length - 1, "early stopping has weights to bring back");

      const checkpoints = join(folder, backend);
      const random = seededRandom("kills");
      let killed = 0;
      let output: string[] = [];
      while (!isResult(output.at(-1))) {
        output = await runProcess(
          backend,
          checkpoints,
          killed < 4 ? 3 + Math.floor(random() * 14) : undefined,
        );
        if (!isResult(output.at(-1))) killed += 1;
      }
      assert.equal(output.at(-1), expected.at(-1));
      assert.ok(killed >= 3, `it was killed ${killed} times`);
    });
  });
}

/** A run of three epochs in a folder, of which `epochs` are done. */
async function runIn(name: string, epochs: number, options: Partial<ng.train.CheckpointOptions> = {}) {
  const model = classifier([nn.batchNormalization(), nn.dropout({ rate: 0.3 })]);
  const place = join(folder, name);
  const checkpoint = { folder: place, keep: 3, ...options };
  const history = await model.fit(points(20), { epochs, batchSize: 6, checkpoint });
  return { model, history, place, files: () => readdirSync(place).toSorted() };
}

/** What is printed as warnings while `act` runs. */
async function warnings(act: () => Promise<unknown>): Promise<string[]> {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => void said.push(text);
  try {
    await act();
  } finally {
    console.warn = warn;
  }
  return said;
}

describe("checkpoints of a run", () => {
  test("there is one at the end of each epoch, and those in between as asked; the newest stay", async () => {
    assert.deepEqual(
      (await runIn("ends", 3)).files(),
      [12, 4, 8].map((n) => `checkpoint-${n}.safetensors`),
    );
    const often = await runIn("often", 2, { everyBatches: 3, keep: 9 });
    assert.deepEqual(
      often.files(),
      [3, 4, 7, 8].map((n) => `checkpoint-${n}.safetensors`),
    );
  });

  test("more epochs go on from a finished run, and a finished run is left as it is", async () => {
    const whole = await runIn("whole", 3);
    await runIn("parts", 1);
    const parts = await runIn("parts", 3);
    assert.equal(weightsOf(parts.model), weightsOf(whole.model));
    assert.deepEqual(parts.history, whole.history);
    const again = await runIn("parts", 3);
    assert.equal(weightsOf(again.model), weightsOf(whole.model));
    assert.deepEqual(again.history, whole.history);
  });

  test("a damaged newest one is passed over with a warning", async () => {
    const whole = await runIn("intact", 3);
    const { place } = await runIn("damaged", 2);
    truncateSync(join(place, "checkpoint-8.safetensors"), 500);
    let resumed: Awaited<ReturnType<typeof runIn>> | undefined;
    const said = await warnings(async () => {
      resumed = await runIn("damaged", 3);
    });
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /passing over the checkpoint .*checkpoint-8\.safetensors: /);
    assert.ok(resumed);
    assert.equal(weightsOf(resumed.model), weightsOf(whole.model));
    assert.deepEqual(resumed.history, whole.history);
  });

  test("when all are damaged the run begins anew", async () => {
    const whole = await runIn("whole again", 2);
    const { place, files } = await runIn("hopeless", 2);
    for (const file of files())
      writeFileSync(join(place, file), readFileSync(join(place, file)).fill(0, 200, 300));
    let anew: Awaited<ReturnType<typeof runIn>> | undefined;
    const said = await warnings(async () => {
      anew = await runIn("hopeless", 2);
    });
    assert.equal(said.length, 2);
    assert.ok(anew);
    assert.equal(weightsOf(anew.model), weightsOf(whole.model));
  });

  test("resume: false begins anew", async () => {
    const once = await runIn("anew", 1);
    const twice = await runIn("anew", 1, { resume: false });
    assert.equal(twice.history.steps, 4);
    assert.equal(weightsOf(twice.model), weightsOf(once.model));
  });

  test("those of another model, optimizer or batch size are refused, and nothing has changed", async () => {
    const { place } = await runIn("others", 1, { everyBatches: 3 });
    const [x, y] = points(20);
    const checkpoint = { folder: place };
    const refused = async (
      layers: ng.nn.Module[],
      optimizer: ng.optim.Optimizer,
      kind: typeof FormatError | typeof ValueError,
      says: RegExp,
    ) => {
      const model = nn.sequential(layers);
      model.compile({ optimizer, loss: "sparseCategoricalCrossentropy" });
      await model.predict(x);
      const before = weightsOf(model);
      await assert.rejects(model.fit([x, y], { epochs: 2, checkpoint }), (error: Error) => {
        assert.ok(error instanceof kind && says.test(error.message), `${error.name}: ${error.message}`);
        return true;
      });
      assert.equal(weightsOf(model), before);
    };
    await refused([nn.dense({ units: 2 })], optim.adam(), FormatError, /Use another folder/);
    const same = () => [
      nn.dense({ units: 8 }),
      nn.batchNormalization(),
      nn.dropout({ rate: 0.3 }),
      nn.dense({ units: 2 }),
    ];
    await refused(same(), optim.sgd(), FormatError, /"optimizer\.layers\.0\.\w+\.m" is not part of it/);
    rmSync(join(place, "checkpoint-4.safetensors"));
    const model = nn.sequential(same());
    model.compile({ optimizer: optim.adam(), loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
    await assert.rejects(
      model.fit([x, y], { batchSize: 10, checkpoint }),
      (error: Error) => error instanceof ValueError && /2 batches.*written after 3/.test(error.message),
    );
  });

  test("figures that are NaN or infinite, and two callbacks of one name, come back", async () => {
    const place = join(folder, "figures");
    const nan = (_y: ng.Tensor, p: ng.Tensor) => p.sum().mul(Number.NaN);
    const infinite = (_y: ng.Tensor, p: ng.Tensor) => ng.div(p.sum().square().add(1), 0);
    const run = async (epochs: number) => {
      ng.random.seed(1);
      const model = nn.sequential([nn.dense({ units: 2 })]);
      const loss = "sparseCategoricalCrossentropy";
      model.compile({ optimizer: optim.sgd(), loss, metrics: [nan, infinite] });
      const stops = [
        train.earlyStopping({ monitor: "loss", patience: 9 }),
        train.earlyStopping({ monitor: "infinite", patience: 9 }),
        train.earlyStopping({ monitor: "nan", patience: 9 }),
      ];
      const { epochs: logs } = await model.fit(points(4), {
        epochs,
        callbacks: stops,
        checkpoint: { folder: place },
      });
      return { logs, best: stops.map(({ bestEpoch }) => bestEpoch) };
    };
    await run(2);
    const { logs, best } = await run(3);
    assert.deepEqual(best, [2, 0, undefined]);
    for (const { nan, infinite } of logs)
      assert.deepEqual([nan, infinite], [Number.NaN, Number.POSITIVE_INFINITY]);
    assert.equal(logs.length, 3);
  });
});
