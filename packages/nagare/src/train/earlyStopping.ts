/** Stopping when the figures no longer improve. */
import { checkCount, type Tensor, ValueError } from "../core/index.ts";
import type { Json } from "../saved/index.ts";
import type { Logs } from "./averages.ts";
import type { Callback, Progress, TrainingControl } from "./callback.ts";

/** Options of `earlyStopping`. */
export interface EarlyStoppingOptions {
  /** The figure to watch; default "valLoss". */
  readonly monitor?: string;
  /** Epochs without improvement before training stops; default 0: the first one. */
  readonly patience?: number;
  /** The least change that counts; default 0. */
  readonly minDelta?: number;
  /** Whether less is better; default: "max" for figures whose name ends in "accuracy", else "min". */
  readonly mode?: "min" | "max";
  /** Whether the weights of the best epoch come back at the end; default true. */
  readonly restoreBestWeights?: boolean;
}

/** Stops training when a figure has not improved for some epochs, and brings back the best weights. */
export class EarlyStopping implements Callback {
  readonly name = "earlyStopping";
  readonly #options: Required<EarlyStoppingOptions>;
  #best: number;
  #waited = 0;
  #weights: Map<string, Tensor> | undefined;
  /** The epoch with the best figure, counted from 0; -1 before the first. */
  bestEpoch = -1;

  constructor(options: EarlyStoppingOptions = {}) {
    const { monitor = "valLoss", patience = 0, minDelta = 0, restoreBestWeights = true } = options;
    const mode = options.mode ?? (/accuracy$/i.test(monitor) ? "max" : "min");
    checkCount(patience, 0, "earlyStopping: patience");
    this.#options = { monitor, patience, minDelta, mode, restoreBestWeights };
    this.#best = mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  onTrainBegin(): void {
    const { mode } = this.#options;
    this.#best = mode === "min" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    this.#waited = 0;
    this.#weights = undefined;
    this.bestEpoch = -1;
  }

  onEpochEnd({ epoch }: Progress, logs: Logs, control: TrainingControl): void {
    const { monitor, patience, minDelta, mode, restoreBestWeights } = this.#options;
    const value = logs[monitor];
    if (value === undefined) {
      throw new ValueError(
        `earlyStopping: expected the figure ${JSON.stringify(monitor)}; this run has ${Object.keys(logs).join(", ")}. ` +
          `Figures of validation need validationData.`,
      );
    }
    const improved = mode === "min" ? value < this.#best - minDelta : value > this.#best + minDelta;
    if (improved) {
      this.#best = value;
      this.#waited = 0;
      this.bestEpoch = epoch;
      if (restoreBestWeights) this.#weights = control.module.stateDict();
      return;
    }
    this.#waited += 1;
    if (this.#waited > patience) control.stop();
  }

  state(): Json {
    // JSON has no infinity: before the first epoch there is no best figure.
    return {
      best: Number.isFinite(this.#best) ? this.#best : null,
      waited: this.#waited,
      bestEpoch: this.bestEpoch,
    };
  }

  stateTensors(): ReadonlyMap<string, Tensor> {
    return this.#weights ?? new Map();
  }

  restore(state: Json, tensors: ReadonlyMap<string, Tensor>): void {
    const { best, waited, bestEpoch } = state as { best: number | null; waited: number; bestEpoch: number };
    if (best !== null) this.#best = best;
    this.#waited = waited;
    this.bestEpoch = bestEpoch;
    if (tensors.size > 0) this.#weights = new Map(tensors);
  }

  onTrainEnd(_history: readonly Logs[], control: TrainingControl): void {
    if (this.#weights) control.module.loadStateDict(this.#weights);
  }
}

/** A new `EarlyStopping` callback. */
export function earlyStopping(options: EarlyStoppingOptions = {}): EarlyStopping {
  return new EarlyStopping(options);
}
