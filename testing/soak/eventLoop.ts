/**
 * How late a timer is while a convolutional network is trained and evaluated:
 *
 *     node --conditions=nagare-source testing/soak/eventLoop.ts [--backend NAME] [--steps N] [--batch N]
 *
 * A timer of 50 ms runs all the while. Prints one line of JSON with its greatest delay, the number of turns of the event
 * loop and the time of a step, and exits with 1 when the delay is above 100 ms. Run it on a machine that is otherwise idle.
 */
import { parseArgs } from "node:util";
import * as ng from "nagare";

const { nn, optim } = ng;
const { values: options } = parseArgs({
  options: {
    backend: { type: "string" },
    steps: { type: "string", default: "40" },
    batch: { type: "string", default: "128" },
  },
});
if (options.backend) ng.setBackend(options.backend);
const [steps, batch] = [Number(options.steps), Number(options.batch)];

const model = nn.sequential([
  nn.conv2d({ filters: 32, kernelSize: 3, activation: "relu" }),
  nn.maxPooling2d(),
  nn.conv2d({ filters: 64, kernelSize: 3, activation: "relu" }),
  nn.maxPooling2d(),
  nn.flatten(),
  nn.dense({ units: 128, activation: "relu" }),
  nn.dropout({ rate: 0.4 }),
  nn.dense({ units: 10 }),
]);
model.compile({ optimizer: optim.adam(), loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
const examples = steps * batch;
const x = ng.random.uniform(ng.random.key(0), [examples, 28, 28, 1]);
const y = ng.random.randint(ng.random.key(1), [examples], 0, 10);
// What the set-up left in the queue is not fit's delay.
await new Promise((resolve) => setTimeout(resolve, 200));

const period = 50;
const late: { readonly delay: number; readonly step: number }[] = [];
let step = 0;
let last = performance.now();
let turns = 0;
const timer = setInterval(() => {
  const now = performance.now();
  late.push({ delay: now - last - period, step });
  last = now;
}, period);
const count = (): void => {
  turns += 1;
  immediate = setImmediate(count);
};
let immediate = setImmediate(count);

const start = performance.now();
await model.fit([x, y], {
  batchSize: batch,
  validationData: [x, y],
  verbose: false,
  callbacks: [
    {
      onBatchEnd() {
        step += 1;
      },
    },
  ],
});
const milliseconds = performance.now() - start;
clearInterval(timer);
clearImmediate(immediate);

const worst = late.toSorted((a, b) => b.delay - a.delay)[0];
const rounded = (value: number) => Math.round(value * 10) / 10;
console.log(
  JSON.stringify({
    backend: ng.backend(),
    steps,
    worstDelay: rounded(worst?.delay ?? Number.NaN),
    afterStep: worst?.step,
    ticks: late.length,
    turns,
    millisecondsPerStep: rounded(milliseconds / steps),
  }),
);
if (!((worst?.delay ?? Number.POSITIVE_INFINITY) <= 100)) process.exitCode = 1;
