/** What `fit` takes and gives back. */
import { checkCount, ValueError } from "../core/index.ts";
import type { Module } from "../nn/index.ts";
import type { Logs } from "./averages.ts";
import { type LabeledData, labeledBatches } from "./batches.ts";
import type { Callback } from "./callback.ts";
import type { CompiledModel } from "./model.ts";
import { atPlace } from "./place.ts";
import { progressBar, standardError } from "./progressBar.ts";
import { TrainingRun } from "./run.ts";

/** Where and how often a run is saved, so that it can go on after being killed. */
export interface CheckpointOptions {
  /** Belongs to this run alone; made when it is missing. */
  readonly folder: string;
  /** Batches between checkpoints; there is one at the end of each epoch in any case. */
  readonly everyBatches?: number;
  /** How many checkpoints stay; default 2. */
  readonly keep?: number;
  /** Whether to go on from the newest checkpoint in the folder, if there is one; default true. */
  readonly resume?: boolean;
}

/** Options of `fit`. */
export interface FitOptions {
  /** Passes through the data; default 1. */
  readonly epochs?: number;
  /** Examples per update, when the data are tensors; default 32. */
  readonly batchSize?: number;
  /**
   * When the data are tensors: whether examples come in another order each epoch, and the seed of it. Default true, with
   * the seed 0. Datasets are shuffled with `shuffle`.
   */
  readonly shuffle?: boolean | { readonly seed: number };
  /** Data whose figures are reported after each epoch, and never trained on. */
  readonly validationData?: LabeledData;
  readonly callbacks?: readonly Callback[];
  /** Default: none. A run that resumes gives the same weights, bit for bit, as one that was never killed. */
  readonly checkpoint?: CheckpointOptions;
  /** Whether to draw progress on standard error; default: when that is a terminal. */
  readonly verbose?: boolean;
}

/** What a training run was. */
export interface History {
  /** One record of figures for each epoch: loss, metrics, and those of validation as `valLoss`, `valAccuracy` … */
  readonly epochs: readonly Logs[];
  /** Updates done. */
  readonly steps: number;
}

function checkOptions({ epochs = 1, batchSize = 32, checkpoint }: FitOptions): void {
  checkCount(epochs, 1, "fit: epochs");
  checkCount(batchSize, 1, "fit: batchSize");
  if (!checkpoint) return;
  const { folder, everyBatches = 1, keep = 1 } = checkpoint;
  checkCount(everyBatches, 1, "fit: checkpoint.everyBatches");
  checkCount(keep, 1, "fit: checkpoint.keep");
  if (typeof folder !== "string" || folder === "") {
    throw new ValueError(`fit: expected the path of a folder for checkpoints; received ${String(folder)}.`);
  }
}

const training = new WeakSet<Module>();

/** Trains a compiled model; see `Module.fit`. */
export async function fitModel(
  model: CompiledModel,
  data: LabeledData,
  options: FitOptions,
): Promise<History> {
  checkOptions(options);
  const { epochs = 1, batchSize = 32, shuffle = true, validationData, checkpoint } = options;
  const seed = shuffle === false ? undefined : shuffle === true ? 0 : shuffle.seed;
  const batches = await atPlace("fit", () => labeledBatches(data, batchSize, seed));
  const validation =
    validationData && (await atPlace("fit, validationData", () => labeledBatches(validationData, batchSize)));
  const verbose = options.verbose ?? standardError()?.isTTY ?? false;
  const callbacks = [...(options.callbacks ?? []), ...(verbose ? [progressBar()] : [])];
  if (training.has(model.module)) {
    throw new ValueError("fit: the model is being trained already. Await that call to fit first.");
  }
  training.add(model.module);
  try {
    return await new TrainingRun({ model, batches, validation, epochs, callbacks, checkpoint }).execute();
  } finally {
    training.delete(model.module);
  }
}
