/**
 * A training run with everything that has state: shuffled data, batch normalization, dropout, Adam, a schedule, early
 * stopping. Prints a line for each batch and, as the last line, what it came to.
 *
 *     node trainingProcess.ts BACKEND [CHECKPOINT_FOLDER]
 */
import { createHash } from "node:crypto";
import * as ng from "nagare";
import { points, weightsOf } from "./problem.ts";

const { data, nn, optim, train } = ng;
const [backend = "reference", folder] = process.argv.slice(2);

ng.setBackend(backend);
ng.random.seed(3);
const model = nn.sequential([
  nn.dense({ units: 12, activation: "relu" }),
  nn.batchNormalization({ momentum: 0.8 }),
  nn.dropout({ rate: 0.25 }),
  nn.dense({ units: 2 }),
]);
model.compile({
  optimizer: optim.adamw((step) => ng.div(0.3, step.div(10).add(1))),
  loss: "sparseCategoricalCrossentropy",
  metrics: ["accuracy"],
});
const [x, y] = points(60);
const stopping = train.earlyStopping({ patience: 3 });
const history = await model.fit(
  data
    .fromTensors([x, y] as const)
    .shuffle({ seed: 5 })
    .batch(8)
    .prefetch(2),
  {
    epochs: 12,
    validationData: points(40, 1),
    callbacks: [stopping, { onBatchEnd: ({ epoch, batch }) => console.log(`${epoch} ${batch}`) }],
    ...(folder === undefined ? {} : { checkpoint: { folder, everyBatches: 2 } }),
  },
);
const weights = createHash("sha256").update(weightsOf(model)).digest("hex");
console.log(JSON.stringify({ weights, bestEpoch: stopping.bestEpoch, ...history }));
