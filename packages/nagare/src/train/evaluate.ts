/** Passing over data without changing anything: figures and predictions. */
import { concat } from "../array/index.ts";
import { checkCount, type Tensor } from "../core/index.ts";
import type { Dataset } from "../data/index.ts";
import type { Module } from "../nn/index.ts";
import { jit } from "../transforms/index.ts";
import { Averages, type Logs } from "./averages.ts";
import {
  checkExamples,
  type InputData,
  inputBatches,
  type LabeledBatch,
  type LabeledData,
  labeledBatches,
  splitBatch,
} from "./batches.ts";
import type { CompiledModel } from "./model.ts";
import { PacedStep } from "./paced.ts";
import { atPlace } from "./place.ts";
import { turns } from "./turns.ts";

/** Options of `evaluate` and `predict`. */
export interface PassOptions {
  /** Examples at a time, when the data are tensors; default 256. */
  readonly batchSize?: number;
}

/** Loss and metrics over labeled batches. */
export async function figuresOver(
  model: CompiledModel,
  batches: Dataset<LabeledBatch>,
  where: string,
): Promise<Logs> {
  const averages = new Averages();
  const turn = turns();
  let batch = 0;
  for await (const element of batches.iterate()) {
    batch += 1;
    await atPlace(`${where}, batch ${batch}`, async () => {
      const [x, y] = splitBatch(element);
      averages.add(await model.evaluateBatch(x, y), Number(x.shape[0]));
    });
    await turn();
  }
  return averages.means();
}

/** Loss and metrics over all data; see `Module.evaluate`. */
export async function evaluateModel(
  model: CompiledModel,
  data: LabeledData,
  { batchSize = 256 }: PassOptions,
): Promise<Logs> {
  checkCount(batchSize, 1, "evaluate: batchSize");
  const batches = await atPlace("evaluate", () => labeledBatches(data, batchSize));
  return figuresOver(model, batches, "evaluate");
}

const predictors = new WeakMap<Module, PacedStep<[Tensor], Tensor>>();

/** The compiled forward pass of a module, which needs neither loss nor optimizer. */
function predictor(module: Module): PacedStep<[Tensor], Tensor> {
  let forward = predictors.get(module);
  if (!forward) {
    forward = new PacedStep(jit((x: Tensor) => module.call(x, { training: false })));
    predictors.set(module, forward);
  }
  return forward;
}

/** The outputs for all inputs; see `Module.predict`. */
export async function predictAll(
  module: Module,
  data: InputData,
  { batchSize = 256 }: PassOptions,
): Promise<Tensor> {
  checkCount(batchSize, 1, "predict: batchSize");
  const parts: Tensor[] = [];
  const turn = turns();
  const batches = await atPlace("predict", () => inputBatches(data, batchSize));
  for await (const x of batches.iterate()) {
    await atPlace(`predict, batch ${parts.length + 1}`, async () => {
      checkExamples(x);
      parts.push(await predictor(module).run(x));
    });
    await turn();
  }
  const [only] = parts;
  return parts.length === 1 && only ? only : concat(parts, { axis: 0 });
}
