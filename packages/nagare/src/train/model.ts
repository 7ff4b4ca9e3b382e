/** A module made ready for training: loss, optimizer, metrics, and the compiled steps. */

import { abs, add, less, logicalAnd, mul, sum, where } from "../array/index.ts";
import { type Aval, formatAval, NagareError, type Tensor, ValueError } from "../core/index.ts";
import type { Module } from "../nn/index.ts";
import { Optimizer } from "../optim/index.ts";
import { generatorState } from "../random/index.ts";
import type { Variable } from "../runtime/index.ts";
import { jit, traceGraph, valueAndGrad } from "../transforms/index.ts";
import type { Logs } from "./averages.ts";
import { checkExamples } from "./batches.ts";
import { checkLabels } from "./labels.ts";
import {
  type LossFunction,
  type LossName,
  type MetricName,
  type NamedFunction,
  resolveLoss,
  resolveMetrics,
} from "./loss.ts";
import { PacedStep } from "./paced.ts";
import { turns } from "./turns.ts";

/** What `compile` takes. */
export interface CompileOptions {
  readonly optimizer: Optimizer;
  /** A name, or a function of labels and predictions that returns a scalar. The named cross-entropies take logits. */
  readonly loss: LossName | LossFunction;
  /** Figures beside the loss; default none. */
  readonly metrics?: readonly (MetricName | LossFunction)[];
}

type Step = PacedStep<[Tensor, Tensor], Tensor[]>;

/** Whether a value is neither NaN nor infinite, as a bool tensor. */
function whetherFinite(x: Tensor): Tensor {
  return less(abs(x), Number.POSITIVE_INFINITY);
}

/** Whether no element of any tensor is NaN or infinite: 0·x is 0 unless x is one of those. */
function allFinite(tensors: readonly Tensor[]): Tensor {
  const zeros = tensors.map((tensor) => sum(mul(tensor, 0)));
  return whetherFinite(zeros.reduce((total, zero) => add(total, zero)));
}

/** A module with everything that training it needs; the steps are compiled on first use. */
export class CompiledModel {
  readonly module: Module;
  readonly optimizer: Optimizer;
  readonly #loss: NamedFunction;
  readonly #metrics: readonly NamedFunction[];
  readonly #trainStep: Step;
  readonly #evaluateStep: Step;
  readonly #outputs = new Map<string, Aval>();
  readonly #turn = turns();

  constructor(module: Module, { optimizer, loss, metrics = [] }: CompileOptions) {
    if (!(optimizer instanceof Optimizer)) {
      throw new ValueError(
        `compile: expected an optimizer, such as optim.adam(1e-3); received ${String(optimizer)}.`,
      );
    }
    this.module = module;
    this.optimizer = optimizer;
    this.#loss = resolveLoss(loss);
    this.#metrics = resolveMetrics(metrics);
    this.#trainStep = new PacedStep(jit((x: Tensor, y: Tensor) => this.#train(x, y)));
    this.#evaluateStep = new PacedStep(
      jit((x: Tensor, y: Tensor) => {
        const predictions = module.call(x, { training: false });
        return [this.#loss, ...this.#metrics].map((figure) => figure.compute(y, predictions));
      }),
    );
  }

  /** Every variable that a training step may change, by the name it has in checkpoints. */
  stateVariables(): Map<string, Variable> {
    const named = this.module.namedVariables();
    const state = new Map<string, Variable>([["generator", generatorState()]]);
    for (const { path, variable } of named) state.set(`module.${path}`, variable);
    const trainable = named.filter(({ variable }) => variable.trainable);
    for (const [name, variable] of this.optimizer.stateFor(trainable)) {
      state.set(`optimizer.${name}`, variable);
    }
    return state;
  }

  /** Forward, backward and update; a batch whose loss or gradients are not finite changes nothing. */
  #train(x: Tensor, y: Tensor): Tensor[] {
    const variables = this.module.trainableVariables();
    if (variables.length === 0) {
      throw new ValueError(
        `expected a model with trainable variables; ${this.module.constructor.name} has none.`,
      );
    }
    const state = [...this.stateVariables().values()];
    const before = state.map((variable) => variable.value);
    const forward = (_: readonly Variable[]): readonly [Tensor, Tensor] => {
      const predictions = this.module.call(x, { training: true });
      return [this.#loss.compute(y, predictions), predictions];
    };
    const [[loss, predictions], gradients] = valueAndGrad(forward, { hasAux: true })(variables);
    const finite = logicalAnd(whetherFinite(loss), allFinite(gradients));
    this.optimizer.apply(variables, gradients);
    state.forEach((variable, i) => {
      const [old, now] = [before[i], variable.value];
      if (old && now !== old) variable.assign(where(finite, now, old));
    });
    return [finite, loss, ...this.#metrics.map((metric) => metric.compute(y, predictions))];
  }

  /**
   * One update from one batch; returns the loss and metrics before the update. Throws ValueError, ShapeError or
   * DTypeError for a batch that does not fit, and ValueError when the loss or a gradient is not finite: in each case
   * weights and state are what they were before the batch.
   */
  async trainBatch(x: Tensor, y: Tensor): Promise<Logs> {
    this.#check(x, y);
    // The first batch is traced twice, for the check and for the step: timers may come in between.
    await this.#turn();
    const [finite, ...figures] = await this.#trainStep.run(x, y);
    const logs = this.#figures(figures);
    if (finite?.item()) return logs;
    const what = Number.isFinite(logs.loss)
      ? `the loss is ${logs.loss}, but a gradient is NaN or infinite`
      : `the loss is ${logs.loss}`;
    throw new ValueError(
      `expected a finite loss and gradients; ${what}. The weights are those before this batch. Check the inputs ` +
        "for NaN and infinity, and try a smaller learning rate.",
    );
  }

  /** Loss and metrics of one batch. */
  async evaluateBatch(x: Tensor, y: Tensor): Promise<Logs> {
    this.#check(x, y);
    return this.#figures(await this.#evaluateStep.run(x, y));
  }

  /** Shape and dtype of the predictions for inputs like `x`; builds the module. */
  outputFor(x: Tensor): Aval {
    const key = formatAval(x);
    let aval = this.#outputs.get(key);
    if (!aval) {
      const { graph } = traceGraph([x], ([input = x]) => ({
        outputs: [this.module.call(input, { training: false })],
        result: undefined,
      }));
      const [output] = graph.outputs;
      if (!output) throw new NagareError("The module returned no tensor.");
      aval = { shape: output.shape, dtype: output.dtype };
      this.#outputs.set(key, aval);
      for (const { path, variable } of this.module.namedVariables()) variable.name = path;
    }
    return aval;
  }

  #check(x: Tensor, y: Tensor): void {
    checkExamples(x);
    checkLabels(this.#loss.name, y, this.outputFor(x));
  }

  #figures(values: readonly Tensor[]): Logs {
    const names = ["loss", ...this.#metrics.map((metric) => metric.name)];
    return Object.fromEntries(names.map((name, i) => [name, Number(values[i]?.item() ?? Number.NaN)]));
  }
}
