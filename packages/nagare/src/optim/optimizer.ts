/** What all optimizers share: their state, and its place in checkpoints. */

import { add, astype, zeros } from "../array/index.ts";
import {
  type DType,
  DTypeError,
  formatAval,
  isFloat,
  ShapeError,
  sameShape,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { withoutDynamicTrace } from "../trace/index.ts";
import { jit } from "../transforms/index.ts";

/** How the learning rate depends on the number of updates done before: a float32 scalar, 0 at the first update. */
export type Schedule = (step: Tensor) => Tensor;

/** A learning rate, or a schedule of it. */
export type LearningRate = number | Schedule;

/** What one update of one variable is computed from: all of it float32, or float64 for a float64 variable. */
export interface Update {
  /** The variable's present value. */
  readonly value: Tensor;
  readonly gradient: Tensor;
  /** The learning rate, a scalar. */
  readonly rate: Tensor;
  /** The number of updates with this one, a scalar: 1 at the first. */
  readonly step: Tensor;
  /** The state kept under one of `slotNames` for this variable: zeros of its shape at first. */
  slot(name: string): Variable;
}

/** Halves lose what small updates add up to: state and arithmetic are in float32. */
function stateDType(dtype: DType): DType {
  return dtype === "float64" ? "float64" : "float32";
}

/**
 * Updates variables from their gradients. State (momenta, the step count) lives in variables, so that `apply` works
 * eagerly and under `jit` alike, and checkpoints hold it. Subclasses define `update`.
 * @example
 * class SignDescent extends optim.Optimizer {
 *   slotNames = [];
 *   update({ value, gradient, rate }: optim.Update) { return value.sub(rate.mul(gradient.sign())); }
 * }
 * model.compile({ optimizer: new SignDescent(1e-3, "signDescent"), loss: "meanSquaredError" });
 */
export abstract class Optimizer {
  /** Number of updates done, an int32 scalar. */
  readonly steps: Variable = variable(zeros([], { dtype: "int32" }), { name: "steps", trainable: false });
  /**
   * The factor of every update, a float32 scalar; assign to it to change it, also between calls of a compiled step. A
   * schedule assigns to it at every update.
   */
  readonly learningRate: Variable;
  readonly #schedule: Schedule | undefined;
  readonly #slots = new WeakMap<Variable, Map<string, Variable>>();

  /**
   * @param where The optimizer's name in messages.
   * Throws ValueError unless the learning rate is a number above 0 or a function.
   */
  constructor(learningRate: LearningRate, where: string) {
    const isNumber = typeof learningRate === "number";
    if (
      isNumber ? !(learningRate > 0 && Number.isFinite(learningRate)) : typeof learningRate !== "function"
    ) {
      throw new ValueError(
        `${where}: expected a learning rate above 0, or a function of the step; received ${String(learningRate)}.`,
      );
    }
    this.learningRate = variable(isNumber ? learningRate : 0, { name: "learningRate", trainable: false });
    this.#schedule = isNumber ? undefined : learningRate;
  }

  /**
   * Whether `update` is nothing but operations on tensors, decided by what never changes: eager `apply` then updates all
   * variables in one compiled program. Default false.
   */
  protected readonly compiled: boolean = false;

  /** Names of the slots the optimizer keeps for each variable. */
  protected abstract readonly slotNames: readonly string[];

  /** One variable's new value; assigns to the slots. */
  protected abstract update(update: Update): Tensor;

  /**
   * Updates each variable with the gradient of the same index.
   * Throws ShapeError when they do not pair up, DTypeError unless both are floats; then nothing has changed.
   * @example
   * const optimizer = optim.sgd(0.1);
   * optimizer.apply([w], [ng.grad((v: ng.Variable) => v.value.square().sum())(w)]);
   */
  apply(parameters: readonly Variable[], gradients: readonly Tensor[]): void {
    checkPairs(parameters, gradients);
    const before = astype(this.steps, "float32");
    this.steps.assign(add(this.steps, 1));
    if (this.#schedule) this.learningRate.assign(this.#schedule(before));
    const updateAll = this.compiled ? this.#updateCompiled : this.#updateAll;
    updateAll(parameters, gradients, this.learningRate.value, add(before, 1));
  }

  readonly #updateAll = (
    parameters: readonly Variable[],
    gradients: readonly Tensor[],
    rate: Tensor,
    step: Tensor,
  ): void => {
    parameters.forEach((parameter, i) => {
      const dtype = stateDType(parameter.dtype);
      const gradient = gradients[i];
      if (!gradient) return;
      const next = this.update({
        value: astype(parameter, dtype),
        gradient: astype(gradient, dtype),
        rate: astype(rate, dtype),
        step: astype(step, dtype),
        slot: (name) => this.#slot(name, parameter),
      });
      parameter.assign(astype(next, parameter.dtype));
    });
  };
  readonly #updateCompiled = jit(this.#updateAll);

  #slot(name: string, parameter: Variable): Variable {
    let slots = this.#slots.get(parameter);
    if (!slots) {
      slots = new Map();
      this.#slots.set(parameter, slots);
    }
    let slot = slots.get(name);
    if (!slot) {
      slot = withoutDynamicTrace(() =>
        variable(zeros(parameter.shape, { dtype: stateDType(parameter.dtype) }), {
          name: `${parameter.name}.${name}`,
          trainable: false,
        }),
      );
      slots.set(name, slot);
    }
    return slot;
  }

  /** All state by name, for checkpoints: the step count, the rate, and each slot of each variable. */
  stateFor(
    parameters: readonly { readonly path: string; readonly variable: Variable }[],
  ): Map<string, Variable> {
    const state = new Map<string, Variable>([
      ["steps", this.steps],
      ["learningRate", this.learningRate],
    ]);
    for (const { path, variable: parameter } of parameters) {
      for (const name of this.slotNames) state.set(`${path}.${name}`, this.#slot(name, parameter));
    }
    return state;
  }
}

function checkPairs(parameters: readonly Variable[], gradients: readonly Tensor[]): void {
  if (parameters.length !== gradients.length) {
    throw new ShapeError(
      `apply: expected one gradient for each of ${parameters.length} variables; received ${gradients.length}.`,
    );
  }
  parameters.forEach((parameter, i) => {
    const gradient = gradients[i];
    if (!gradient || !sameShape(gradient.shape, parameter.shape)) {
      throw new ShapeError(
        `apply: expected a gradient of the shape of ${parameter.name}, ${formatAval(parameter)}; received ` +
          `${gradient ? formatAval(gradient) : "nothing"}.`,
      );
    }
    if (!isFloat(parameter.dtype) || !isFloat(gradient.dtype)) {
      throw new DTypeError(
        `apply: expected a float variable and gradient; received ${formatAval(parameter)} (${parameter.name}) and ${formatAval(gradient)}.`,
      );
    }
  });
}
