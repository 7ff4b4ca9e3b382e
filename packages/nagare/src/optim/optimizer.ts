/** What all optimizers share: their state, and its place in checkpoints. */

import { add, zeros } from "../array/index.ts";
import { formatAval, ShapeError, sameShape, type Tensor, ValueError } from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { withoutDynamicTrace } from "../trace/index.ts";

/** A learning rate, or how it depends on the number of steps done (a float32 scalar). */
export type LearningRate = number | ((step: Tensor) => Tensor);

/**
 * Updates variables from their gradients. State (momenta, the step count) lives in variables, so that `apply` works
 * eagerly and under `jit` alike.
 */
export abstract class Optimizer {
  /** Number of updates done, a float32 scalar. */
  readonly steps: Variable = variable(zeros([]), { name: "steps", trainable: false });
  /** The factor of every update; assign to it to change it, also between calls of a compiled step. */
  readonly learningRate: Variable;
  readonly #schedule: ((step: Tensor) => Tensor) | undefined;
  readonly #slots = new Map<string, Map<Variable, Variable>>();

  constructor(learningRate: LearningRate, where: string) {
    const initial = typeof learningRate === "number" ? learningRate : 0;
    if (typeof learningRate === "number" && !(learningRate > 0 && Number.isFinite(learningRate))) {
      throw new ValueError(`${where}: expected a learning rate above 0; received ${learningRate}.`);
    }
    this.learningRate = variable(initial, { name: "learningRate", trainable: false });
    this.#schedule = typeof learningRate === "number" ? undefined : learningRate;
  }

  /** One variable's new value; reads and writes the optimizer's slots. */
  protected abstract update(parameter: Variable, gradient: Tensor, rate: Tensor, step: Tensor): Tensor;

  /**
   * Updates each variable with the gradient of the same index. Throws ShapeError when they do not pair up.
   * @example
   * const optimizer = optim.sgd(0.1);
   * optimizer.apply([w], [ng.grad(loss)(w)]);
   */
  apply(parameters: readonly Variable[], gradients: readonly Tensor[]): void {
    if (parameters.length !== gradients.length) {
      throw new ShapeError(
        `apply: expected one gradient for each of ${parameters.length} variables; received ${gradients.length}.`,
      );
    }
    const step = add(this.steps, 1);
    this.steps.assign(step);
    if (this.#schedule) this.learningRate.assign(this.#schedule(step));
    const rate = this.learningRate.value;
    parameters.forEach((parameter, i) => {
      const gradient = gradients[i];
      if (!gradient || !sameShape(gradient.shape, parameter.shape)) {
        throw new ShapeError(
          `apply: ${parameter.name} is ${formatAval(parameter)}; received a gradient of ${gradient ? formatAval(gradient) : "nothing"}.`,
        );
      }
      parameter.assign(this.update(parameter, gradient, rate, step));
    });
  }

  /** The state kept under `name` for a parameter: zeros of its shape at first. */
  protected slot(name: string, parameter: Variable): Variable {
    let slots = this.#slots.get(name);
    if (!slots) {
      slots = new Map();
      this.#slots.set(name, slots);
    }
    let slot = slots.get(parameter);
    if (!slot) {
      slot = withoutDynamicTrace(() =>
        variable(zeros(parameter.shape, { dtype: parameter.dtype }), {
          name: `${parameter.name}.${name}`,
          trainable: false,
        }),
      );
      slots.set(parameter, slot);
    }
    return slot;
  }

  /** Names of the slots the optimizer keeps for each parameter. */
  protected abstract readonly slotNames: readonly string[];

  /** All state by name, for checkpoints: the step count, the rate, and each slot of each parameter. */
  stateFor(
    parameters: readonly { readonly path: string; readonly variable: Variable }[],
  ): Map<string, Variable> {
    const state = new Map<string, Variable>([
      ["steps", this.steps],
      ["learningRate", this.learningRate],
    ]);
    for (const { path, variable: parameter } of parameters) {
      for (const name of this.slotNames) state.set(`${path}.${name}`, this.slot(name, parameter));
    }
    return state;
  }
}
