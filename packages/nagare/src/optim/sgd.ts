/** Stochastic gradient descent. */

import { add, mul, sub } from "../array/index.ts";
import { type Tensor, ValueError } from "../core/index.ts";
import type { Variable } from "../runtime/index.ts";
import { type LearningRate, Optimizer } from "./optimizer.ts";

/** Options of `sgd`. */
export interface SgdOptions {
  /** Share of the last update that carries over; default 0. */
  readonly momentum?: number;
  /** Looks ahead by one momentum step (Sutskever et al. 2013); default false. */
  readonly nesterov?: boolean;
}

/** b ← μ·b + g; w ← w − η·b, or with Nesterov's look-ahead w ← w − η·(g + μ·b), as in PyTorch. */
export class Sgd extends Optimizer {
  protected override readonly slotNames: readonly string[];
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(learningRate: LearningRate, { momentum = 0, nesterov = false }: SgdOptions = {}) {
    super(learningRate, "sgd");
    if (!(momentum >= 0 && momentum < 1))
      throw new ValueError(`sgd: expected a momentum from 0 up to 1; received ${momentum}.`);
    this.#momentum = momentum;
    this.#nesterov = nesterov;
    this.slotNames = momentum > 0 ? ["momentum"] : [];
  }

  protected override update(parameter: Variable, gradient: Tensor, rate: Tensor): Tensor {
    if (this.#momentum === 0) return sub(parameter, mul(rate, gradient));
    const slot = this.slot("momentum", parameter);
    const velocity = add(mul(slot, this.#momentum), gradient);
    slot.assign(velocity);
    const direction = this.#nesterov ? add(gradient, mul(velocity, this.#momentum)) : velocity;
    return sub(parameter, mul(rate, direction));
  }
}

/**
 * Stochastic gradient descent with optional momentum.
 * @example
 * model.compile({ optimizer: optim.sgd(0.1, { momentum: 0.9 }), loss: "meanSquaredError" });
 */
export function sgd(learningRate: LearningRate = 0.01, options: SgdOptions = {}): Sgd {
  return new Sgd(learningRate, options);
}
