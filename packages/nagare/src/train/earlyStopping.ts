/** Stopping when the figures no longer improve. */
import { checkCount, type Tensor, ValueError } from "../core/index.ts";
import { Field, type Json } from "../saved/index.ts";
import type { Logs } from "./averages.ts";
import type { Callback, Progress, TrainingControl } from "./callback.ts";

/** Options of `earlyStopping`. */
export interface EarlyStoppingOptions {
  /** The figure to watch; default "valLoss". */
  readonly monitor?: string;
  /** Training stops after this many epochs in a row without improvement; default 0, which means the same as 1. */
  readonly patience?: number;
  /** Changes up to this size do not count; default 0. */
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
  /** The best figure so far; undefined before the first. */
  #best: number | undefined;
  #waited = 0;
  #weights: ReadonlyMap<string, Tensor> | undefined;
  /** The epoch with the best figure, counted from 0; undefined before the first. */
  bestEpoch: number | undefined;

  /** Throws ValueError for impossible options. */
  constructor(options: EarlyStoppingOptions = {}) {
    const { monitor = "valLoss", patience = 0, minDelta = 0, restoreBestWeights = true } = options;
    const mode = options.mode ?? (/accuracy$/i.test(monitor) ? "max" : "min");
    checkCount(patience, 0, "earlyStopping: patience");
    if (!(minDelta >= 0)) {
      throw new ValueError(`earlyStopping: expected a minDelta from 0 up; received ${minDelta}.`);
    }
    if (mode !== "min" && mode !== "max") {
      throw new ValueError(
        `earlyStopping: expected the mode "min" or "max"; received ${JSON.stringify(mode)}.`,
      );
    }
    this.#options = { monitor, patience, minDelta, mode, restoreBestWeights };
  }

  onTrainBegin(): void {
    this.#best = undefined;
    this.#waited = 0;
    this.#weights = undefined;
    this.bestEpoch = undefined;
  }

  onEpochEnd({ epoch }: Progress, logs: Logs, control: TrainingControl): void {
    const { monitor, patience, restoreBestWeights } = this.#options;
    const value = logs[monitor];
    if (value === undefined) {
      throw new ValueError(
        `earlyStopping: expected the figure ${JSON.stringify(monitor)}; this run has ${Object.keys(logs).join(", ")}. ` +
          `Choose one with monitor; figures of validation need validationData.`,
      );
    }
    if (this.#improves(value)) {
      this.#best = value;
      this.#waited = 0;
      this.bestEpoch = epoch;
      if (restoreBestWeights) this.#weights = control.module.stateDict();
      return;
    }
    this.#waited += 1;
    if (this.#waited >= patience) control.stop();
  }

  /** NaN is no improvement on anything. */
  #improves(value: number): boolean {
    const { minDelta, mode } = this.#options;
    if (this.#best === undefined) return !Number.isNaN(value);
    return mode === "min" ? value < this.#best - minDelta : value > this.#best + minDelta;
  }

  onTrainEnd(_history: readonly Logs[], control: TrainingControl): void {
    if (this.#weights) control.module.loadStateDict(this.#weights);
  }

  state(): Json {
    // As text, because JSON has no infinity.
    return {
      best: this.#best === undefined ? null : String(this.#best),
      waited: this.#waited,
      bestEpoch: this.bestEpoch ?? null,
    };
  }

  stateTensors(): ReadonlyMap<string, Tensor> {
    return this.#weights ?? new Map();
  }

  restore(state: Json, tensors: ReadonlyMap<string, Tensor>): void {
    const field = new Field(state, "earlyStopping: state");
    const isFirst = field.get("best").value === null;
    const best = isFirst ? undefined : Number(field.get("best").string());
    const bestEpoch = isFirst ? undefined : field.get("bestEpoch").count();
    this.#waited = field.get("waited").count();
    this.#best = best;
    this.bestEpoch = bestEpoch;
    this.#weights = tensors.size > 0 ? tensors : undefined;
  }
}

/**
 * A new `EarlyStopping` callback.
 * @example
 * await model.fit(data, { epochs: 50, validationData, callbacks: [train.earlyStopping({ patience: 3 })] });
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): EarlyStopping {
  return new EarlyStopping(options);
}
