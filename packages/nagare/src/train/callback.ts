/** Callbacks: what `fit` tells about, and what may steer it. */
import type { Tensor } from "../core/index.ts";
import type { Module } from "../nn/index.ts";
import type { Json } from "../saved/index.ts";
import type { Logs } from "./averages.ts";

/** How far a training run is. */
export interface Progress {
  /** Counted from 0. */
  readonly epoch: number;
  readonly epochs: number;
  /** Batches done in this epoch. */
  readonly batch: number;
  /** Batches an epoch has, where that is known. */
  readonly batches: number | undefined;
  /** Examples done in this epoch. */
  readonly examples: number;
  /** Since the start of this epoch (or of its part that this process ran), without validation. */
  readonly examplesPerSecond: number;
}

/** What callbacks may do to the run. */
export interface TrainingControl {
  readonly module: Module;
  /** Ends the training after the current batch; the epoch then ends as usual, with validation and `onEpochEnd`. */
  stop(): void;
}

/**
 * Functions that `fit` calls one callback after the other, in the order of the list, and awaits. All are optional. What
 * one throws ends the run.
 */
export interface Callback {
  /** Names the callback's state in checkpoints. */
  readonly name?: string;
  onTrainBegin?(control: TrainingControl): void | Promise<void>;
  /** `logs` has the means of the epoch so far. */
  onBatchEnd?(progress: Progress, logs: Logs, control: TrainingControl): void | Promise<void>;
  /** `logs` has the validation figures too, as `valLoss`, `valAccuracy` … */
  onEpochEnd?(progress: Progress, logs: Logs, control: TrainingControl): void | Promise<void>;
  /** The run ended well; `history` has the logs of each epoch. */
  onTrainEnd?(history: readonly Logs[], control: TrainingControl): void | Promise<void>;
  /** The run ended with an error, which `fit` then throws. */
  onTrainError?(error: unknown, control: TrainingControl): void | Promise<void>;
  /** What a checkpoint must keep for the callback to go on as if nothing had happened. */
  state?(): Json;
  /** Tensors that belong to the state. */
  stateTensors?(): ReadonlyMap<string, Tensor>;
  /**
   * Takes back what `state` and `stateTensors` gave; comes after `onTrainBegin`. Throws FormatError for anything else.
   */
  restore?(state: Json, tensors: ReadonlyMap<string, Tensor>): void;
}
