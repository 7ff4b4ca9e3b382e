/** A module made ready for training: loss, optimizer, metrics, and the compiled steps. */
import { type Aval, concreteSize, NagareError, type Tensor, ValueError } from "../core/index.ts";
import { isTraining, type Module } from "../nn/index.ts";
import type { Optimizer } from "../optim/index.ts";
import type { Variable } from "../runtime/index.ts";
import { type Jitted, jit, traceGraph, valueAndGrad } from "../transforms/index.ts";
import type { Logs } from "./averages.ts";
import {
  checkLabels,
  type LossFunction,
  type LossName,
  type MetricName,
  type NamedFunction,
  resolveLoss,
  resolveMetric,
} from "./loss.ts";

/** What `compile` takes. */
export interface CompileOptions {
  readonly optimizer: Optimizer;
  /** A name, or a function of labels and predictions that returns a scalar. The named cross-entropies take logits. */
  readonly loss: LossName | LossFunction;
  /** Figures beside the loss; default none. */
  readonly metrics?: readonly (MetricName | LossFunction)[];
}

type Step = Jitted<[Tensor, Tensor], Tensor[]>;

/** A module with everything that training it needs; the steps are compiled on first use. */
export class CompiledModel {
  readonly module: Module;
  readonly optimizer: Optimizer;
  readonly #loss: NamedFunction;
  readonly #metrics: readonly NamedFunction[];
  readonly #trainStep: Step;
  readonly #evaluateStep: Step;
  readonly #outputs = new Map<string, Aval>();

  constructor(module: Module, { optimizer, loss, metrics = [] }: CompileOptions) {
    this.module = module;
    this.optimizer = optimizer;
    this.#loss = resolveLoss(loss);
    this.#metrics = metrics.map(resolveMetric);
    this.#trainStep = jit((x: Tensor, y: Tensor) => {
      const variables = module.trainableVariables();
      const forward = (_: readonly Variable[]): readonly [Tensor, Tensor] => {
        const predictions = module.call(x, { training: true });
        return [this.#loss.compute(y, predictions), predictions];
      };
      const [[value, predictions], gradients] = valueAndGrad(forward, { hasAux: true })(variables);
      optimizer.apply(variables, gradients);
      return [value, ...this.#metrics.map((metric) => metric.compute(y, predictions))];
    });
    this.#evaluateStep = jit((x: Tensor, y: Tensor) => {
      const predictions = module.call(x, { training: false });
      return [this.#loss, ...this.#metrics].map((figure) => figure.compute(y, predictions));
    });
  }

  /** One update from one batch. Checks the batch before anything changes; returns the loss and metrics before the update. */
  async trainBatch(x: Tensor, y: Tensor): Promise<Logs> {
    this.#check(x, y);
    return this.#figures(await this.#trainStep.runAsync(x, y));
  }

  /** Loss and metrics of one batch. */
  async evaluateBatch(x: Tensor, y: Tensor): Promise<Logs> {
    this.#check(x, y);
    return this.#figures(await this.#evaluateStep.runAsync(x, y));
  }

  /** Shape and dtype of the predictions for inputs like `x`; builds the module. */
  outputFor(x: Tensor): Aval {
    const key = `${x.dtype}:${x.shape.map(String).join(",")}`;
    let aval = this.#outputs.get(key);
    if (!aval) {
      const { graph } = traceGraph([x], (inputs) => {
        const [input = x] = inputs;
        return { outputs: [this.module.call(input, { training: isTraining() })], result: undefined };
      });
      const [output] = graph.outputs;
      if (!output) throw new NagareError("The module returned no tensor.");
      aval = output;
      this.#outputs.set(key, aval);
      for (const { path, variable } of this.module.namedVariables()) variable.name = path;
    }
    return aval;
  }

  #check(x: Tensor, y: Tensor): void {
    if (x.rank === 0 || concreteSize(x.shape.slice(0, 1)) === 0) {
      throw new ValueError("fit: expected a batch of at least one example; received an empty one.");
    }
    checkLabels(this.#loss.name, y, this.outputFor(x));
  }

  #figures(values: readonly Tensor[]): Logs {
    const names = ["loss", ...this.#metrics.map((metric) => metric.name)];
    return Object.fromEntries(names.map((name, i) => [name, Number(values[i]?.item() ?? Number.NaN)]));
  }
}
