/** The training loop. */
import { checkCount, ValueError } from "../core/index.ts";
import { latestCheckpoint } from "../saved/index.ts";
import { Averages, type Logs } from "./averages.ts";
import { type LabeledData, labeledBatches, splitBatch } from "./batches.ts";
import type { Callback, Progress, TrainingControl } from "./callback.ts";
import type { CompiledModel } from "./model.ts";
import { progressBar } from "./progressBar.ts";
import { type Position, restoreSnapshot, writeSnapshot } from "./snapshot.ts";

/** Where and how often a run is saved, so that it can go on after being killed. */
export interface CheckpointOptions {
  readonly folder: string;
  /** Batches between checkpoints; by default one at the end of each epoch. */
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
  /** Data whose figures are reported after each epoch, and never trained on. */
  readonly validationData?: LabeledData;
  readonly callbacks?: readonly Callback[];
  readonly checkpoint?: CheckpointOptions;
  /** Whether to draw progress in the terminal; default: when standard error is one. */
  readonly verbose?: boolean;
}

/** What a training run was. */
export interface History {
  /** One record of figures for each epoch: loss, metrics, and those of validation as `valLoss`, `valAccuracy` … */
  readonly epochs: readonly Logs[];
  /** Updates done. */
  readonly steps: number;
}

/** Figures under their names in validation: loss → valLoss. */
function validationLogs(logs: Logs): Record<string, number> {
  return Object.fromEntries(
    Object.entries(logs).map(([name, value]) => [
      `val${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      value,
    ]),
  );
}

async function callAll(
  callbacks: readonly Callback[],
  call: (callback: Callback) => void | Promise<void> | undefined,
): Promise<void> {
  for (const callback of callbacks) await call(callback);
}

/** Trains a compiled model; see `Module.fit`. */
export async function fitModel(
  model: CompiledModel,
  data: LabeledData,
  options: FitOptions,
): Promise<History> {
  const { epochs = 1, batchSize = 32, validationData, checkpoint } = options;
  checkCount(epochs, 1, "fit: epochs");
  checkCount(batchSize, 1, "fit: batchSize");
  if (checkpoint?.everyBatches !== undefined)
    checkCount(checkpoint.everyBatches, 1, "fit: checkpoint.everyBatches");
  const batches = labeledBatches(data, batchSize, "fit");
  const isTerminal =
    (globalThis as { process?: { stderr?: { isTTY?: boolean } } }).process?.stderr?.isTTY ?? false;
  const callbacks = [
    ...(options.callbacks ?? []),
    ...((options.verbose ?? isTerminal) ? [progressBar()] : []),
  ];

  let stopped = false;
  const control: TrainingControl = {
    module: model.module,
    stop: () => {
      stopped = true;
    },
  };
  await callAll(callbacks, (callback) => callback.onTrainBegin?.(control));

  const averages = new Averages();
  const history: Logs[] = [];
  let position: Position = {
    epoch: 0,
    batch: 0,
    steps: 0,
    averages: averages.state(),
    history,
    stopped: false,
  };
  const resumed =
    checkpoint && (checkpoint.resume ?? true)
      ? await resume(model, batches, checkpoint, callbacks)
      : undefined;
  if (resumed) {
    position = resumed;
    stopped = resumed.stopped;
    averages.restore(resumed.averages);
    history.push(...resumed.history);
  }
  let { steps } = position;

  const save = async (epoch: number, batch: number): Promise<void> => {
    if (!checkpoint) return;
    const at: Position = { epoch, batch, steps, averages: averages.state(), history: [...history], stopped };
    await writeSnapshot(checkpoint.folder, model, at, callbacks, checkpoint.keep ?? 2);
  };

  for (let epoch = position.epoch; epoch < epochs && !stopped; epoch++) {
    let batch = epoch === position.epoch ? position.batch : 0;
    if (batch === 0) averages.restore({ examples: 0, sums: {} });
    const earlier = averages.examples;
    const start = performance.now();
    const progress = (): Progress => ({
      epoch,
      epochs,
      batch,
      batches: batches.size,
      examples: averages.examples,
      examplesPerSecond: ((averages.examples - earlier) * 1000) / Math.max(performance.now() - start, 1e-3),
    });
    for await (const element of batches.iterate({ epoch, skipBatches: batch })) {
      const [x, y] = splitBatch(element, "fit");
      const logs = await model.trainBatch(x, y);
      checkFinite(logs, epoch, batch);
      batch += 1;
      steps += 1;
      averages.add(logs, Number(x.shape[0]));
      await callAll(callbacks, (callback) => callback.onBatchEnd?.(progress(), averages.means(), control));
      const every = checkpoint?.everyBatches;
      if (every !== undefined && batch % every === 0 && batch !== batches.size) await save(epoch, batch);
      if (stopped) break;
    }
    const logs: Record<string, number> = averages.means();
    if (validationData)
      Object.assign(logs, validationLogs(await evaluateModel(model, validationData, batchSize)));
    history.push(logs);
    await callAll(callbacks, (callback) => callback.onEpochEnd?.(progress(), logs, control));
    averages.restore({ examples: 0, sums: {} });
    await save(epoch + 1, 0);
  }
  await callAll(callbacks, (callback) => callback.onTrainEnd?.(history, control));
  return { epochs: history, steps };
}

/** A loss that is not a number stops the run at the batch that made it, while the cause can still be found. */
function checkFinite(logs: Logs, epoch: number, batch: number): void {
  if (Number.isFinite(logs.loss)) return;
  throw new ValueError(
    `fit: the loss became ${logs.loss} in epoch ${epoch + 1}, batch ${batch + 1}. Check the inputs for NaN or infinity, and try a smaller learning rate.`,
  );
}

async function resume(
  model: CompiledModel,
  batches: ReturnType<typeof labeledBatches>,
  { folder }: CheckpointOptions,
  callbacks: readonly Callback[],
): Promise<Position | undefined> {
  const { checkpoint, skipped } = await latestCheckpoint(folder);
  for (const { file, reason } of skipped)
    console.warn(`nagare: passing over the checkpoint ${file}: ${reason}`);
  if (!checkpoint) return undefined;
  for await (const element of batches.iterate()) {
    // Variables exist only once the module has seen the shape of an input.
    model.outputFor(splitBatch(element, "fit")[0]);
    break;
  }
  return restoreSnapshot(checkpoint, model, callbacks);
}

/** Loss and metrics over all data; see `Module.evaluate`. */
export async function evaluateModel(
  model: CompiledModel,
  data: LabeledData,
  batchSize: number,
): Promise<Record<string, number>> {
  const averages = new Averages();
  for await (const element of labeledBatches(data, batchSize, "evaluate").iterate()) {
    const [x, y] = splitBatch(element, "evaluate");
    averages.add(await model.evaluateBatch(x, y), Number(x.shape[0]));
  }
  return averages.means();
}
