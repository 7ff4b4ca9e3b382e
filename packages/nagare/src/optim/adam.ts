/** Adam and AdamW. */

import { add, div, mul, pow, sqrt, square, sub } from "../array/index.ts";
import { type Tensor, ValueError } from "../core/index.ts";
import type { Variable } from "../runtime/index.ts";
import { type LearningRate, Optimizer } from "./optimizer.ts";

/** Options of `adam`. */
export interface AdamOptions {
  /** Decay of the mean of gradients; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients; default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the second moment; default 1e-8. */
  readonly epsilon?: number;
}

/** Options of `adamw`. */
export interface AdamwOptions extends AdamOptions {
  /** Share of the weight, times the learning rate, that each step takes away; default 0.01. */
  readonly weightDecay?: number;
}

/**
 * m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η·m̂/(√v̂ + ε), with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ)
 * (Kingma & Ba 2015, algorithm 1). With weight decay, w loses η·λ·w beside (Loshchilov & Hutter 2019).
 */
export class Adam extends Optimizer {
  protected override readonly slotNames = ["m", "v"];
  readonly #beta1: number;
  readonly #beta2: number;
  readonly #epsilon: number;
  readonly #weightDecay: number;

  constructor(
    learningRate: LearningRate,
    { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamwOptions = {},
  ) {
    super(learningRate, "adam");
    for (const [name, value] of Object.entries({ beta1, beta2 })) {
      if (!(value >= 0 && value < 1))
        throw new ValueError(`adam: expected ${name} from 0 up to 1; received ${value}.`);
    }
    if (!(epsilon > 0) || !(weightDecay >= 0)) {
      throw new ValueError(
        `adam: expected epsilon above 0 and weightDecay from 0 up; received ${epsilon} and ${weightDecay}.`,
      );
    }
    this.#beta1 = beta1;
    this.#beta2 = beta2;
    this.#epsilon = epsilon;
    this.#weightDecay = weightDecay;
  }

  protected override update(parameter: Variable, gradient: Tensor, rate: Tensor, step: Tensor): Tensor {
    const [beta1, beta2] = [this.#beta1, this.#beta2];
    const first = this.slot("m", parameter);
    const second = this.slot("v", parameter);
    const m = add(mul(first, beta1), mul(gradient, 1 - beta1));
    const v = add(mul(second, beta2), mul(square(gradient), 1 - beta2));
    first.assign(m);
    second.assign(v);
    // The corrections are scalars: folded into the rate and the root they cost nothing per element.
    const scale = div(rate, sub(1, pow(beta1, step)));
    const root = sqrt(sub(1, pow(beta2, step)));
    const change = div(mul(scale, m), add(div(sqrt(v), root), this.#epsilon));
    const decayed = this.#weightDecay > 0 ? mul(parameter, sub(1, mul(rate, this.#weightDecay))) : parameter;
    return sub(decayed, change);
  }
}

/**
 * Adam.
 * @example
 * model.compile({ optimizer: optim.adam(1e-3), loss: "sparseCategoricalCrossentropy" });
 */
export function adam(learningRate: LearningRate = 1e-3, options: AdamOptions = {}): Adam {
  return new Adam(learningRate, { ...options, weightDecay: 0 });
}

/** Adam with decoupled weight decay. */
export function adamw(
  learningRate: LearningRate = 1e-3,
  { weightDecay = 0.01, ...options }: AdamwOptions = {},
): Adam {
  return new Adam(learningRate, { ...options, weightDecay });
}
