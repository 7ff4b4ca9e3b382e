/** Adam and AdamW. */

import { add, div, expm1, mul, neg, sqrt, square, sub } from "../array/index.ts";
import { type Tensor, ValueError } from "../core/index.ts";
import { type LearningRate, Optimizer, type Update } from "./optimizer.ts";

/** Options of `adam`. */
export interface AdamOptions {
  /** Decay of the mean of gradients, from 0 up to 1; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients, from 0 up to 1; default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the second moment; default 1e-8. */
  readonly epsilon?: number;
}

/** Options of `adamw`. */
export interface AdamwOptions extends AdamOptions {
  /** Share of the weight, times the learning rate, that each step takes away; default 0.01. */
  readonly weightDecay?: number;
}

/** 1 − βᵗ as −expm1(t·ln β), which keeps the digits that 1 − pow(β, t) loses while it is small. */
function oneMinusPower(beta: number, step: Tensor): Tensor {
  return neg(expm1(mul(step, Math.log(beta))));
}

/**
 * m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η·m̂/(√v̂ + ε), with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ)
 * (Kingma & Ba 2015, algorithm 1). With weight decay, w loses η·λ·w beside (Loshchilov & Hutter 2019).
 */
export class Adam extends Optimizer {
  protected override readonly compiled = true;
  protected override readonly slotNames = ["m", "v"];
  readonly #beta1: number;
  readonly #beta2: number;
  readonly #epsilon: number;
  readonly #weightDecay: number;

  constructor(
    learningRate: LearningRate,
    { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamwOptions = {},
    where = "adam",
  ) {
    super(learningRate, where);
    for (const [name, value] of Object.entries({ beta1, beta2 })) {
      if (!(value >= 0 && value < 1)) {
        throw new ValueError(
          `${where}: expected ${name} from 0 up to, but not including, 1; received ${value}.`,
        );
      }
    }
    if (!(epsilon > 0 && Number.isFinite(epsilon))) {
      throw new ValueError(`${where}: expected an epsilon above 0; received ${epsilon}.`);
    }
    if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) {
      throw new ValueError(`${where}: expected a weightDecay from 0 up; received ${weightDecay}.`);
    }
    this.#beta1 = beta1;
    this.#beta2 = beta2;
    this.#epsilon = epsilon;
    this.#weightDecay = weightDecay;
  }

  protected override update({ value, gradient, rate, step, slot }: Update): Tensor {
    const [beta1, beta2] = [this.#beta1, this.#beta2];
    const [first, second] = [slot("m"), slot("v")];
    const m = add(mul(first, beta1), mul(gradient, 1 - beta1));
    const v = add(mul(second, beta2), mul(square(gradient), 1 - beta2));
    first.assign(m);
    second.assign(v);
    // The corrections are scalars: folded into the rate and the root they cost nothing per element.
    const scale = div(rate, oneMinusPower(beta1, step));
    const perRoot = div(1, sqrt(oneMinusPower(beta2, step)));
    const change = div(mul(scale, m), add(mul(sqrt(v), perRoot), this.#epsilon));
    if (this.#weightDecay === 0) return sub(value, change);
    // Not value·(1 − η·λ): that factor is so close to 1 that float32 keeps few digits of the decay.
    return sub(value, add(change, mul(value, mul(rate, this.#weightDecay))));
  }
}

/**
 * Adam; the learning rate is 0.001 unless given. Throws ValueError for impossible options.
 * @example
 * model.compile({ optimizer: optim.adam(1e-3), loss: "sparseCategoricalCrossentropy" });
 */
export function adam(learningRate: LearningRate = 1e-3, options: AdamOptions = {}): Adam {
  return new Adam(learningRate, { ...options, weightDecay: 0 });
}

/**
 * Adam with decoupled weight decay; the learning rate is 0.001 unless given. Throws ValueError for impossible options.
 * @example
 * model.compile({ optimizer: optim.adamw(1e-3, { weightDecay: 0.05 }), loss: "meanSquaredError" });
 */
export function adamw(
  learningRate: LearningRate = 1e-3,
  { weightDecay = 0.01, ...options }: AdamwOptions = {},
): Adam {
  return new Adam(learningRate, { ...options, weightDecay }, "adamw");
}
