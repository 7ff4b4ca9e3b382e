/** `compile`, `fit`, `evaluate` and `predict` as methods of every module. */

import { type Tensor, ValueError } from "../core/index.ts";
import { Module } from "../nn/index.ts";
import type { Logs } from "./averages.ts";
import type { InputData, LabeledData } from "./batches.ts";
import { evaluateModel, type PassOptions, predictAll } from "./evaluate.ts";
import { type FitOptions, fitModel, type History } from "./fit.ts";
import { CompiledModel, type CompileOptions } from "./model.ts";

const compiled = new WeakMap<Module, CompiledModel>();

/** Training, as methods of modules. */
export interface Trainable {
  /**
   * Sets the optimizer, the loss and the metrics that `fit` and `evaluate` use. Which variables are trainable counts at
   * the first batch: call it again after changing that. Throws ValueError for unknown names.
   * @example
   * model.compile({ optimizer: optim.adam(1e-3), loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
   */
  compile(options: CompileOptions): void;
  /**
   * Trains on batches `[x, y]`; the update is compiled and runs off the event loop where the backend can, unless it takes
   * less than half a millisecond: timers get their turn in any case. Labels are checked batch by batch.
   *
   * Nothing is lost by bad data. Whatever is thrown, at whichever batch, the weights and the optimizer's state are those
   * after the last good batch: a batch that does not fit is refused before it is used, and one whose loss or gradients
   * come out NaN or infinite changes nothing.
   * Throws ValueError, ShapeError or DTypeError for data that do not fit the model; what callbacks throw.
   * @example
   * const history = await model.fit([images, labels], { epochs: 3, batchSize: 64, validationData });
   * history.epochs.at(-1); // { loss, accuracy, valLoss, valAccuracy }
   */
  fit(data: LabeledData, options?: FitOptions): Promise<History>;
  /**
   * Loss and metrics, weighted by the number of examples of each batch. A figure may be NaN. Changes nothing.
   * Throws ValueError, ShapeError or DTypeError for data that do not fit the model.
   * @example
   * const { loss, accuracy } = await model.evaluate([images, labels]);
   */
  evaluate(data: LabeledData, options?: PassOptions): Promise<Logs>;
  /**
   * The outputs for inputs [examples, …], computed batch by batch, in the order of the inputs. Needs no `compile`.
   * Throws ValueError or ShapeError for inputs that do not fit the model.
   * @example
   * const logits = await model.predict(images); // [examples, 10]
   */
  predict(x: InputData, options?: PassOptions): Promise<Tensor>;
}

declare module "../nn/module.ts" {
  interface Module extends Trainable {}
}

function compiledModel(module: Module, method: string): CompiledModel {
  const model = compiled.get(module);
  if (!model) {
    throw new ValueError(
      `${method}: the model is not compiled. Call model.compile({ optimizer, loss, metrics }) first.`,
    );
  }
  return model;
}

const methods: Trainable & ThisType<Module> = {
  compile(options) {
    compiled.set(this, new CompiledModel(this, options));
  },
  async fit(data, options = {}) {
    return fitModel(compiledModel(this, "fit"), data, options);
  },
  async evaluate(data, options = {}) {
    return evaluateModel(compiledModel(this, "evaluate"), data, options);
  },
  async predict(x, options = {}) {
    return predictAll(this, x, options);
  },
};

Object.assign(Module.prototype, methods);
