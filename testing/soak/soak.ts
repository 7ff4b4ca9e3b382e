/**
 * Long plain loops without any dispose, to see whether memory stays flat:
 *
 *     node --conditions=nagare-source testing/soak/soak.ts [--backend NAME] [--kind train|eager|fit] [--count N]
 *
 * Without a kind all of them run at their full counts: 10,000 compiled training steps of a small network and 1,000,000
 * eager operations, both in synchronous loops, and 10,000 steps of `fit`. Prints for each one line of JSON with the peaks
 * of `liveBytes` and of the process's memory in each tenth of the loop, and exits with 1 when one is not flat.
 */
import { parseArgs } from "node:util";
import * as ng from "nagare";
import { flatness, type Peaks, Recorder } from "./flatness.ts";

const { nn, optim } = ng;

/** A small network, its optimizer and a batch. */
function problem() {
  ng.random.seed(0);
  const model = nn.sequential([
    nn.dense({ units: 16, activation: "relu" }),
    nn.dropout({ rate: 0.1 }),
    nn.dense({ units: 4 }),
  ]);
  const x = ng.random.normal(ng.random.key(1), [8, 32]);
  const y = ng.random.randint(ng.random.key(2), [8], 0, 4);
  model.call(x);
  return { model, optimizer: optim.adam(1e-3), x, y };
}

function trainSteps(count: number, recorder: Recorder): void {
  const { model, optimizer, x, y } = problem();
  const variables = model.trainableVariables();
  const loss = (_variables: readonly ng.Variable[]) =>
    nn.losses.sparseCategoricalCrossentropy(y, model.call(x, { training: true }));
  const step = ng.jit(() => {
    const [value, gradients] = ng.valueAndGrad(loss)(variables);
    optimizer.apply(variables, gradients);
    return value;
  });
  for (let i = 0; i < count; i++) {
    step();
    recorder.sample(i);
  }
}

/** Small results share blocks of memory, large ones have their own: both kinds take turns. */
function eagerOperations(count: number, recorder: Recorder): void {
  const [small, large] = [ng.ones([8]), ng.ones([64, 64])];
  let [a, b]: ng.Tensor[] = [small, large];
  for (let i = 0; i < count; i += 2) {
    a = ng.add(a as ng.Tensor, small);
    b = ng.mul(b as ng.Tensor, large);
    recorder.sample(i);
  }
  if (a?.slice(0).item() !== 1 + Math.ceil(count / 2)) throw new Error("The sum is wrong.");
}

async function fitSteps(count: number, recorder: Recorder): Promise<void> {
  const { model, optimizer, x, y } = problem();
  model.compile({ optimizer, loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
  let step = 0;
  const batches = ng.data.fromIterable([[x, y] as const]).repeat(count);
  await model.fit(batches as unknown as ng.train.LabeledData, {
    verbose: false,
    callbacks: [{ onBatchEnd: () => recorder.sample(step++) }],
  });
}

const kinds = {
  train: { count: 10_000, run: trainSteps },
  eager: { count: 1_000_000, run: eagerOperations },
  fit: { count: 10_000, run: fitSteps },
};

const { values: options } = parseArgs({
  options: { backend: { type: "string" }, kind: { type: "string" }, count: { type: "string" } },
});
if (options.backend) ng.setBackend(options.backend);
for (const [kind, { count: full, run }] of Object.entries(kinds)) {
  if (options.kind !== undefined && options.kind !== kind) continue;
  const count = Number(options.count ?? full);
  const recorder = new Recorder(count);
  const start = performance.now();
  await run(count, recorder);
  const peaks: Peaks = recorder.peaks();
  const { isFlat, growth } = flatness(peaks);
  const seconds = Math.round(performance.now() - start) / 1000;
  console.log(JSON.stringify({ kind, backend: ng.backend(), count, seconds, isFlat, growth, ...peaks }));
  if (!isFlat) process.exitCode = 1;
}
