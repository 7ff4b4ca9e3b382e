/** Layers that behave differently while training: dropout and batch normalization. */

import { add, astype, full, mul, rsqrt, stopGradient, sub, where } from "../array/index.ts";
import {
  checkEpsilon,
  type DType,
  DTypeError,
  formatAval,
  isFloat,
  ShapeError,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { composite, builder as ops } from "../ops/index.ts";
import { bernoulli, nextKey } from "../random/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { isTraining, Module } from "./module.ts";

/**
 * While training, sets each element to 0 with probability `rate` and scales the others by 1 / (1 − rate), so that the
 * expectation stays (Srivastava et al. 2014). Otherwise hands its input through. Draws from the default generator.
 * Throws ValueError for a rate outside [0, 1), DTypeError while training on integers.
 * @example
 * nn.dropout({ rate: 0.5 }).call(ng.ones([4]), { training: true }); // some zeros, some twos
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
    if (!isFloat(x.dtype)) {
      throw new DTypeError(
        `Dropout: expected a float input; received ${formatAval(x)}. Convert it with .astype("float32").`,
      );
    }
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

/** (x − mean)/√(variance + epsilon), times a factor and plus an offset where there are such, in this order. */
const normalizeBy = composite(
  "batchNorm",
  (
    [x, mean, variance, ...affine]: readonly Tensor[],
    {
      epsilon,
      scale,
      center,
    }: { readonly epsilon: number; readonly scale: boolean; readonly center: boolean },
  ) => {
    if (!x || !mean || !variance) throw new TypeError("batchNorm: expected at least three operands.");
    const inverse = rsqrt(add(variance, epsilon));
    const [gamma = inverse] = affine;
    const normalized = mul(sub(x, mean), scale ? mul(inverse, gamma) : inverse);
    const beta = affine.at(-1);
    return center && beta ? add(normalized, beta) : normalized;
  },
);

/**
 * Normalizes each channel (the last axis) over all other axes: γ·(x − μ)/√(σ² + ε) + β (Ioffe & Szegedy 2015).
 * While training, μ and σ² = mean((x − μ)²) are the batch's and move the stored statistics,
 * s ← momentum·s + (1 − momentum)·batch's; otherwise they are the stored ones. Input and output [batch, …, channels] of
 * one float dtype; halves are normalized in float32.
 * Throws ValueError for impossible options, ShapeError or DTypeError for inputs that do not fit.
 * @example
 * nn.sequential([nn.conv2d({ filters: 8, kernelSize: 3, useBias: false }), nn.batchNormalization()]);
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
    this.epsilon = checkEpsilon(epsilon, "BatchNorm");
    this.#center = center;
    this.#scale = scale;
  }

  override build(x: Tensor): void {
    const channels = x.shape.at(-1);
    if (x.rank < 2 || typeof channels !== "number") {
      throw new ShapeError(
        `BatchNorm: expected [batch, …, channels] with a known number of channels; received ${formatAval(x)}.`,
      );
    }
    if (!isFloat(x.dtype)) {
      throw new DTypeError(
        `BatchNorm: expected a float input; received ${formatAval(x)}. Convert it with .astype("float32").`,
      );
    }
    const make = (value: number, name: string, trainable: boolean) =>
      variable(full([channels], value, { dtype: widerDType(x.dtype) }), { name, trainable });
    if (this.#scale) this.gamma = make(1, "gamma", true);
    if (this.#center) this.beta = make(0, "beta", true);
    this.movingMean = make(0, "movingMean", false);
    this.movingVariance = make(1, "movingVariance", false);
  }

  override forward(x: Tensor): Tensor {
    const { movingMean, movingVariance } = this;
    if (!movingMean || !movingVariance) {
      throw new ValueError(
        "BatchNorm: the statistics do not exist yet. Use layer.call(x), which builds the layer, in place of layer.forward(x).",
      );
    }
    if (x.rank < 2 || x.shape.at(-1) !== movingMean.shape[0]) {
      throw new ShapeError(
        `BatchNorm: expected [batch, …, ${String(movingMean.shape[0])}], as the layer was built for; received ${formatAval(x)}.`,
      );
    }
    const wide = astype(x, widerDType(x.dtype));
    const normalized = isTraining()
      ? this.#normalizeBatch(wide, movingMean, movingVariance)
      : this.#normalize(wide, movingMean, movingVariance);
    return astype(normalized, x.dtype);
  }

  /** By the batch's own statistics, towards which the moving ones are moved. */
  #normalizeBatch(x: Tensor, movingMean: Variable, movingVariance: Variable): Tensor {
    const { dtype } = x;
    const shape = movingMean.shape;
    const gamma = this.gamma?.value ?? full(shape, 1, { dtype });
    const beta = this.beta?.value ?? full(shape, 0, { dtype });
    const [y, mean, variance] = ops.batchNorm([x, gamma, beta], { epsilon: this.epsilon });
    if (!y || !mean || !variance) throw new TypeError("batchNorm: expected three results.");
    this.#move(movingMean, mean);
    this.#move(movingVariance, variance);
    return y;
  }

  #normalize(x: Tensor, movingMean: Variable, movingVariance: Variable): Tensor {
    const { gamma, beta, epsilon } = this;
    const operands = [x, movingMean.value, movingVariance.value];
    if (gamma) operands.push(gamma.value);
    if (beta) operands.push(beta.value);
    return normalizeBy(operands, { epsilon, scale: gamma !== undefined, center: beta !== undefined });
  }

  #move(statistic: Variable, now: Tensor): void {
    const { momentum } = this;
    statistic.assign(add(mul(statistic.value, momentum), mul(stopGradient(now), 1 - momentum)));
  }
}

/** Sums of halves overflow or stall early: their statistics are kept in float32. */
function widerDType(dtype: DType): DType {
  return dtype === "float64" ? "float64" : "float32";
}

/** A new `Dropout` layer. */
export function dropout(options: { readonly rate: number }): Dropout {
  return new Dropout(options.rate);
}

/** A new `BatchNorm` layer. */
export function batchNormalization(options: BatchNormOptions = {}): BatchNorm {
  return new BatchNorm(options);
}
