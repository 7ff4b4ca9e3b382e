/** `compile`, `fit`, `evaluate` and `predict` as methods of every module. */

import { concat, slice } from "../array/index.ts";
import {
  ConcreteTensor,
  checkCount,
  concreteShape,
  NagareError,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { Module } from "../nn/index.ts";
import { type Jitted, jit } from "../transforms/index.ts";
import type { LabeledData } from "./batches.ts";
import { evaluateModel, type FitOptions, fitModel, type History } from "./fit.ts";
import { CompiledModel, type CompileOptions } from "./model.ts";

const compiled = new WeakMap<Module, CompiledModel>();

/** Training, as methods of modules. */
export interface Trainable {
  /**
   * Sets the optimizer, the loss and the metrics that `fit` and `evaluate` use. Throws ValueError for unknown names.
   * @example
   * model.compile({ optimizer: optim.adam(1e-3), loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
   */
  compile(options: CompileOptions): void;
  /**
   * Trains on batches `[x, y]`; the update is compiled and runs off the event loop. Labels are checked batch by batch.
   * Throws ValueError, ShapeError or DTypeError for data that do not fit the model, before they change anything.
   */
  fit(data: LabeledData, options?: FitOptions): Promise<History>;
  /** Loss and metrics over all data, such as `{ loss, accuracy }`. */
  evaluate(data: LabeledData, options?: { readonly batchSize?: number }): Promise<Record<string, number>>;
  /** The outputs for inputs [examples, …], computed batch by batch (default 256 examples). */
  predict(x: Tensor, options?: { readonly batchSize?: number }): Promise<Tensor>;
}

declare module "../nn/module.ts" {
  interface Module extends Trainable {}
}

function compiledModel(module: Module, method: string): CompiledModel {
  const model = compiled.get(module);
  if (!model)
    throw new ValueError(
      `${method}: the model is not compiled. Call model.compile({ optimizer, loss, metrics }) first.`,
    );
  return model;
}

const predictors = new WeakMap<Module, Jitted<[Tensor], Tensor>>();

/** The compiled forward pass of a module, which needs neither loss nor optimizer. */
function predictor(module: Module): Jitted<[Tensor], Tensor> {
  let forward = predictors.get(module);
  if (!forward) {
    forward = jit((x: Tensor) => module.call(x, { training: false }));
    predictors.set(module, forward);
  }
  return forward;
}

const methods: Trainable & ThisType<Module> = {
  compile(options) {
    compiled.set(this, new CompiledModel(this, options));
  },
  fit(data, options = {}) {
    return fitModel(compiledModel(this, "fit"), data, options);
  },
  evaluate(data, { batchSize = 256 } = {}) {
    checkCount(batchSize, 1, "evaluate: batchSize");
    return evaluateModel(compiledModel(this, "evaluate"), data, batchSize);
  },
  async predict(x, { batchSize = 256 } = {}) {
    checkCount(batchSize, 1, "predict: batchSize");
    if (!(x instanceof ConcreteTensor)) throw new NagareError("predict: expected a tensor with values.");
    const [examples = 0] = concreteShape(x.shape);
    if (x.rank === 0 || examples === 0)
      throw new ValueError("predict: expected at least one example; received none.");
    const parts: Tensor[] = [];
    for (let start = 0; start < examples; start += batchSize) {
      const limit = Math.min(start + batchSize, examples);
      const part = slice(x, [start, limit]);
      parts.push(await predictor(this).runAsync(part));
    }
    const [only] = parts;
    return parts.length === 1 && only ? only : concat(parts, { axis: 0 });
  },
};

Object.assign(Module.prototype, methods);
