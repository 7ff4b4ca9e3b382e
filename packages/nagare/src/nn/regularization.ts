/** Layers that behave differently while training: dropout and batch normalization. */

import { add, mean, mul, ones, rsqrt, square, stopGradient, sub, where, zeros } from "../array/index.ts";
import { formatShape, ShapeError, type Tensor, ValueError } from "../core/index.ts";
import { bernoulli, nextKey } from "../random/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { isTraining, Module } from "./module.ts";

/**
 * While training, sets each element to 0 with probability `rate` and scales the others by 1 / (1 − rate), so that the
 * expectation stays (Srivastava et al. 2014). Otherwise hands its input through.
 */
export class Dropout extends Module {
  readonly rate: number;

  constructor(rate: number) {
    super();
    if (!(rate >= 0 && rate < 1)) {
      throw new ValueError(`Dropout: expected a rate from 0 up to, but not including, 1; received ${rate}.`);
    }
    this.rate = rate;
  }

  override forward(x: Tensor): Tensor {
    if (!isTraining() || this.rate === 0) return x;
    const kept = bernoulli(nextKey(), 1 - this.rate, x.shape);
    return where(kept, mul(x, 1 / (1 - this.rate)), 0);
  }
}

/** Options of batch normalization. */
export interface BatchNormOptions {
  /** How much of the old moving statistics each training step keeps; default 0.99. */
  readonly momentum?: number;
  /** Added to the variance; default 1e-3. */
  readonly epsilon?: number;
  /** Whether there is a trained offset β; default true. */
  readonly center?: boolean;
  /** Whether there is a trained factor γ; default true. */
  readonly scale?: boolean;
}

/**
 * Normalizes each channel (the last axis) over all other axes: γ·(x − μ)/√(σ² + ε) + β (Ioffe & Szegedy 2015).
 * While training, μ and σ² are the batch's and move the stored statistics; otherwise they are the stored ones.
 */
export class BatchNorm extends Module {
  readonly momentum: number;
  readonly epsilon: number;
  gamma: Variable | undefined;
  beta: Variable | undefined;
  movingMean: Variable | undefined;
  movingVariance: Variable | undefined;
  readonly #center: boolean;
  readonly #scale: boolean;

  constructor({ momentum = 0.99, epsilon = 1e-3, center = true, scale = true }: BatchNormOptions = {}) {
    super();
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new ValueError(`BatchNorm: expected a momentum from 0 to 1; received ${momentum}.`);
    }
    this.momentum = momentum;
    this.epsilon = epsilon;
    this.#center = center;
    this.#scale = scale;
  }

  override build(x: Tensor): void {
    const channels = x.shape.at(-1);
    if (x.rank < 2 || typeof channels !== "number") {
      throw new ShapeError(
        `BatchNorm: expected [batch, …, channels] with a known number of channels; received ${formatShape(x.shape)}.`,
      );
    }
    const { dtype } = x;
    if (this.#scale) this.gamma = variable(ones([channels], { dtype }), { name: "gamma" });
    if (this.#center) this.beta = variable(zeros([channels], { dtype }), { name: "beta" });
    this.movingMean = variable(zeros([channels], { dtype }), { name: "movingMean", trainable: false });
    this.movingVariance = variable(ones([channels], { dtype }), { name: "movingVariance", trainable: false });
  }

  override forward(x: Tensor): Tensor {
    const { movingMean, movingVariance, momentum } = this;
    if (!movingMean || !movingVariance)
      throw new ValueError("BatchNorm: call the layer, or build it, before forward.");
    let center: Tensor = movingMean.value;
    let variance: Tensor = movingVariance.value;
    if (isTraining()) {
      const axis = x.shape.map((_, i) => i).slice(0, -1);
      center = mean(x, { axis });
      variance = mean(square(sub(x, center)), { axis });
      const move = (old: Variable, now: Tensor) =>
        old.assign(add(mul(old.value, momentum), mul(stopGradient(now), 1 - momentum)));
      move(movingMean, center);
      move(movingVariance, variance);
    }
    let factor: Tensor = rsqrt(add(variance, this.epsilon));
    if (this.gamma) factor = mul(factor, this.gamma);
    const normalized = mul(sub(x, center), factor);
    return this.beta ? add(normalized, this.beta) : normalized;
  }
}

/** A new `Dropout` layer. */
export function dropout(options: { readonly rate: number }): Dropout {
  return new Dropout(options.rate);
}

/** A new `BatchNorm` layer. */
export function batchNormalization(options: BatchNormOptions = {}): BatchNorm {
  return new BatchNorm(options);
}
