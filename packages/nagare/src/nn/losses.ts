/** Loss functions: labels first, predictions second, the mean over all examples out. */

import {
  clip,
  equal,
  log,
  logSoftmax,
  mean,
  mul,
  neg,
  reshape,
  square,
  sub,
  sum,
  where,
} from "../array/index.ts";
import {
  DTypeError,
  formatAval,
  formatShape,
  isFloat,
  isInteger,
  ShapeError,
  sameShape,
  type Tensor,
  type TensorLike,
} from "../core/index.ts";
import { asTensor, builder } from "../ops/index.ts";

/** Options of the cross-entropies. */
export interface CrossentropyOptions {
  /** Whether the predictions are logits (default) or probabilities that sum to 1 over the last axis. */
  readonly fromLogits?: boolean;
}

/** Probabilities are kept this far from 0, so that a confident mistake costs much but not infinitely much. */
const smallestProbability = 1e-7;

function logProbabilities(predictions: Tensor, fromLogits: boolean): Tensor {
  return fromLogits ? logSoftmax(predictions) : log(clip(predictions, smallestProbability, 1));
}

/**
 * −log p[label], averaged. labels: integers [...], predictions [..., classes].
 * A label outside 0…classes − 1 contributes 0 here; `fit` and `evaluate` refuse it before the step.
 */
export function sparseCategoricalCrossentropy(
  labels: TensorLike,
  predictions: Tensor,
  { fromLogits = true }: CrossentropyOptions = {},
): Tensor {
  const y = asTensor(labels, "sparseCategoricalCrossentropy");
  if (!isInteger(y.dtype)) {
    throw new DTypeError(
      `sparseCategoricalCrossentropy: expected integer labels; received ${formatAval(y)}. For one-hot labels use categoricalCrossentropy.`,
    );
  }
  if (!sameShape(y.shape, predictions.shape.slice(0, -1))) {
    throw new ShapeError(
      `sparseCategoricalCrossentropy: labels ${formatShape(y.shape)} must have the shape of the predictions ${formatShape(predictions.shape)} without their last axis.`,
    );
  }
  const classes = builder.iota({ shape: [predictions.shape.at(-1) ?? 0], dtype: y.dtype, axis: 0 });
  const chosen = equal(reshape(y, [...y.shape, 1]), classes);
  const picked = sum(where(chosen, logProbabilities(predictions, fromLogits), 0), { axis: -1 });
  return neg(mean(picked));
}

/** −Σ y·log p over the last axis, averaged. labels: probabilities of the shape of the predictions. */
export function categoricalCrossentropy(
  labels: TensorLike,
  predictions: Tensor,
  { fromLogits = true }: CrossentropyOptions = {},
): Tensor {
  const y = asTensor(labels, "categoricalCrossentropy", predictions.dtype);
  checkSame(y, predictions, "categoricalCrossentropy");
  return neg(mean(sum(mul(y, logProbabilities(predictions, fromLogits)), { axis: -1 })));
}

/** (y − ŷ)², averaged over all elements. */
export function meanSquaredError(labels: TensorLike, predictions: Tensor): Tensor {
  const y = asTensor(labels, "meanSquaredError", predictions.dtype);
  checkSame(y, predictions, "meanSquaredError");
  return mean(square(sub(y, predictions)));
}

function checkSame(labels: Tensor, predictions: Tensor, where: string): void {
  if (!isFloat(labels.dtype)) {
    throw new DTypeError(
      `${where}: expected float labels; received ${formatAval(labels)}. Convert them with .astype("${predictions.dtype}").`,
    );
  }
  if (!sameShape(labels.shape, predictions.shape)) {
    throw new ShapeError(
      `${where}: labels ${formatShape(labels.shape)} and predictions ${formatShape(predictions.shape)} must have the same shape; use reshape.`,
    );
  }
}
