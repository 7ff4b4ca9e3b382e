/** The training loop. */
import { ValueError } from "../core/index.ts";
import type { Dataset } from "../data/index.ts";
import { latestCheckpoint } from "../saved/index.ts";
import { Averages, type Logs } from "./averages.ts";
import { type LabeledBatch, splitBatch } from "./batches.ts";
import type { Callback, Progress, TrainingControl } from "./callback.ts";
import { figuresOver } from "./evaluate.ts";
import type { CheckpointOptions, History } from "./fit.ts";
import type { CompiledModel } from "./model.ts";
import { atPlace } from "./place.ts";
import { restoreSnapshot, writeSnapshot } from "./snapshot.ts";
import { turns } from "./turns.ts";

/** What a run works on. */
export interface RunSetting {
  readonly model: CompiledModel;
  readonly batches: Dataset<LabeledBatch>;
  readonly validation: Dataset<LabeledBatch> | undefined;
  readonly epochs: number;
  readonly callbacks: readonly Callback[];
  readonly checkpoint: CheckpointOptions | undefined;
}

/** Figures under their names in validation: loss → valLoss. */
function validationLogs(logs: Logs): Logs {
  const renamed = Object.entries(logs).map(
    ([name, value]) => [`val${name.charAt(0).toUpperCase()}${name.slice(1)}`, value] as const,
  );
  return Object.fromEntries(renamed);
}

/** One training run, from its start or a checkpoint to its end. */
export class TrainingRun {
  readonly #setting: RunSetting;
  readonly #averages = new Averages();
  readonly #history: Logs[] = [];
  readonly #turn = turns();
  #steps = 0;
  #stopped = false;
  readonly #control: TrainingControl;

  constructor(setting: RunSetting) {
    this.#setting = setting;
    this.#control = {
      module: setting.model.module,
      stop: () => {
        this.#stopped = true;
      },
    };
  }

  async execute(): Promise<History> {
    const { epochs } = this.#setting;
    try {
      await this.#tell((callback) => callback.onTrainBegin?.(this.#control));
      const first = await this.#resume();
      for (let epoch = first.epoch; epoch < epochs && !this.#stopped; epoch++) {
        await this.#runEpoch(epoch, epoch === first.epoch ? first.batch : 0);
      }
      await this.#tell((callback) => callback.onTrainEnd?.(this.#history, this.#control));
    } catch (error) {
      await this.#tell((callback) => callback.onTrainError?.(error, this.#control));
      throw error;
    }
    return { epochs: this.#history, steps: this.#steps };
  }

  async #tell(call: (callback: Callback) => void | Promise<void> | undefined): Promise<void> {
    for (const callback of this.#setting.callbacks) await call(callback);
  }

  async #runEpoch(epoch: number, firstBatch: number): Promise<void> {
    const { model, batches, validation, epochs, checkpoint } = this.#setting;
    const averages = this.#averages;
    const earlier = averages.examples;
    const start = performance.now();
    let batch = firstBatch;
    let examplesPerSecond = 0;
    const progress = (): Progress => {
      const { examples } = averages;
      return { epoch, epochs, batch, batches: batches.size, examples, examplesPerSecond };
    };
    for await (const element of batches.iterate({ epoch, skipBatches: firstBatch })) {
      await atPlace(`fit, epoch ${epoch + 1}, batch ${batch + 1}`, async () => {
        const [x, y] = splitBatch(element);
        averages.add(await model.trainBatch(x, y), Number(x.shape[0]));
      });
      batch += 1;
      this.#steps += 1;
      examplesPerSecond = ((averages.examples - earlier) * 1000) / Math.max(performance.now() - start, 1e-3);
      await this.#tell((callback) => callback.onBatchEnd?.(progress(), averages.means(), this.#control));
      // Only the checkpoint at the end of the epoch may say that the run has been stopped: validation comes before it.
      if (this.#stopped) break;
      const isDue = checkpoint?.everyBatches !== undefined && batch % checkpoint.everyBatches === 0;
      if (isDue && batch !== batches.size) await this.#save(epoch, batch);
      await this.#turn();
    }
    const logs: Logs = {
      ...averages.means(),
      ...(validation ? validationLogs(await figuresOver(model, validation, "fit, validationData")) : {}),
    };
    this.#history.push(logs);
    await this.#tell((callback) => callback.onEpochEnd?.(progress(), logs, this.#control));
    averages.clear();
    await this.#save(epoch + 1, 0);
  }

  async #save(epoch: number, batch: number): Promise<void> {
    const { model, callbacks, checkpoint } = this.#setting;
    if (!checkpoint) return;
    const position = {
      epoch,
      batch,
      steps: this.#steps,
      averages: this.#averages.state(),
      history: [...this.#history],
      stopped: this.#stopped,
    };
    await writeSnapshot(checkpoint.folder, model, position, callbacks, checkpoint.keep ?? 2);
  }

  /** Where to begin: at the newest checkpoint that can be read, if there is one and it is wanted. */
  async #resume(): Promise<{ readonly epoch: number; readonly batch: number }> {
    const { model, batches, callbacks, checkpoint } = this.#setting;
    const start = { epoch: 0, batch: 0 };
    if (!checkpoint || checkpoint.resume === false) return start;
    const { checkpoint: found, skipped } = await latestCheckpoint(checkpoint.folder);
    for (const { file, reason } of skipped) {
      console.warn(`nagare: passing over the checkpoint ${file}: ${reason}`);
    }
    if (!found) return start;
    for await (const element of batches.iterate()) {
      // Variables exist only once the module has seen the shape of an input.
      await atPlace("fit, batch 1", () => model.outputFor(splitBatch(element)[0]));
      break;
    }
    const position = restoreSnapshot(found, model, callbacks);
    if (batches.size !== undefined && position.batch > batches.size) {
      throw new ValueError(
        `fit: expected a checkpoint within the ${batches.size} batches of an epoch; received ${found.file}, written after ` +
          `${position.batch}. Go on with the batch size of that run, or use another folder.`,
      );
    }
    this.#steps = position.steps;
    this.#stopped = position.stopped;
    this.#averages.restore(position.averages);
    this.#history.push(...position.history);
    return position;
  }
}
