/** Stochastic gradient descent. */

import { add, mul, sub } from "../array/index.ts";
import { type Tensor, ValueError } from "../core/index.ts";
import { type LearningRate, Optimizer, type Update } from "./optimizer.ts";

/** Options of `sgd`. */
export interface SgdOptions {
  /** Share of the last update that carries over, from 0 up to 1; default 0. */
  readonly momentum?: number;
  /** Looks ahead by one momentum step (Sutskever et al. 2013); default false. Needs momentum. */
  readonly nesterov?: boolean;
}

/** b ← μ·b + g; w ← w − η·b, or with Nesterov's look-ahead w ← w − η·(g + μ·b), as in PyTorch. */
export class Sgd extends Optimizer {
  protected override readonly compiled = true;
  protected override readonly slotNames: readonly string[];
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(learningRate: LearningRate, { momentum = 0, nesterov = false }: SgdOptions = {}) {
    super(learningRate, "sgd");
    if (!(momentum >= 0 && momentum < 1)) {
      throw new ValueError(
        `sgd: expected a momentum from 0 up to, but not including, 1; received ${momentum}.`,
      );
    }
    if (nesterov && momentum === 0) {
      throw new ValueError("sgd: expected a momentum above 0 with nesterov; received 0.");
    }
    this.#momentum = momentum;
    this.#nesterov = nesterov;
    this.slotNames = momentum > 0 ? ["momentum"] : [];
  }

  protected override update({ value, gradient, rate, slot }: Update): Tensor {
    if (this.#momentum === 0) return sub(value, mul(rate, gradient));
    const buffer = slot("momentum");
    const velocity = add(mul(buffer, this.#momentum), gradient);
    buffer.assign(velocity);
    const direction = this.#nesterov ? add(gradient, mul(velocity, this.#momentum)) : velocity;
    return sub(value, mul(rate, direction));
  }
}

/**
 * Stochastic gradient descent with optional momentum; the learning rate is 0.01 unless given.
 * Throws ValueError for impossible options.
 * @example
 * model.compile({ optimizer: optim.sgd(0.1, { momentum: 0.9 }), loss: "meanSquaredError" });
 */
export function sgd(learningRate: LearningRate = 0.01, options: SgdOptions = {}): Sgd {
  return new Sgd(learningRate, options);
}
