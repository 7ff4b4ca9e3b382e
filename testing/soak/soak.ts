/**
 * Long plain loops without any dispose, to see whether memory stays flat:
 *
 *     node --conditions=nagare-source testing/soak/soak.ts [--backend NAME] [--kind train|eager|fit] [--count N] [--report]
 *
 * Without a kind all of them run at their full counts: 10,000 compiled training steps of a small network and 1,000,000
 * eager operations, both in synchronous loops, and 10,000 steps of `fit`. Prints for each one line of JSON with the course
 * of the memory over the tenths of the loop and its growth after warm-up, and exits with 1 when that is above 5 %, unless
 * only the report is asked for.
 */
import { parseArgs } from "node:util";
import * as ng from "nagare";
import { growthOf, Recorder } from "./flatness.ts";

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
  options: {
    backend: { type: "string" },
    kind: { type: "string" },
    count: { type: "string" },
    report: { type: "boolean" },
  },
});
if (options.backend) ng.setBackend(options.backend);
for (const [kind, { count: full, run }] of Object.entries(kinds)) {
  if (options.kind !== undefined && options.kind !== kind) continue;
  const count = Number(options.count ?? full);
  const recorder = new Recorder(count);
  const start = performance.now();
  await run(count, recorder);
  const seconds = Math.round(performance.now() - start) / 1000;
  const { heldBytes, residentBytes } = recorder.course();
  const growth = { held: growthOf(heldBytes), resident: growthOf(residentBytes) };
  console.log(
    JSON.stringify({ kind, backend: ng.backend(), count, seconds, growth, heldBytes, residentBytes }),
  );
  if (!options.report && Math.max(growth.held, growth.resident) > 1.05) process.exitCode = 1;
}
