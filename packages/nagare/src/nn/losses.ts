/** Loss functions: labels first, predictions second, the mean over all examples out. */

import {
  astype,
  clip,
  equal,
  greaterEqual,
  less,
  log,
  logicalAnd,
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
import { asTensor, builder, composite } from "../ops/index.ts";

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
 * −log p[label], averaged. labels: integers [...], predictions [..., classes] → a scalar.
 * A label outside 0 … classes − 1 makes the result NaN; `fit` and `evaluate` refuse it before the step.
 * Throws DTypeError for labels that are not integers, ShapeError when the shapes do not go together.
 * @example
 * nn.losses.sparseCategoricalCrossentropy(ng.tensor([1], { dtype: "int32" }), ng.tensor([[0, 2]])).item(); // 0.1269…
 */
export function sparseCategoricalCrossentropy(
  labels: TensorLike,
  predictions: Tensor,
  { fromLogits = true }: CrossentropyOptions = {},
): Tensor {
  const y = asTensor(labels, "sparseCategoricalCrossentropy");
  if (!isInteger(y.dtype)) {
    throw new DTypeError(
      `sparseCategoricalCrossentropy: expected integer labels; received ${formatAval(y)}. Convert class numbers with ` +
        `.astype("int32"); for one-hot labels use categoricalCrossentropy.`,
    );
  }
  const classCount = predictions.shape.at(-1);
  if (typeof classCount !== "number" || !sameShape(y.shape, predictions.shape.slice(0, -1))) {
    throw new ShapeError(
      `sparseCategoricalCrossentropy: expected labels of the predictions' shape without the last axis, the classes; ` +
        `received labels ${formatShape(y.shape)} and predictions ${formatShape(predictions.shape)}.`,
    );
  }
  // Eight bits may not hold the number of classes.
  const index = y.dtype === "int64" ? y : astype(y, "int32");
  return mean(
    fromLogits ? logitLosses(index, predictions) : probabilityLosses(index, predictions, classCount),
  );
}

/** One loss for each row of logits. */
function logitLosses(index: Tensor, logits: Tensor): Tensor {
  const wide = logits.dtype === "float64" ? "float64" : "float32";
  const [losses = logits] = builder.softmaxCrossEntropy([astype(logits, wide), index], {});
  return astype(losses, isFloat(logits.dtype) ? logits.dtype : wide);
}

/** One loss for each row of probabilities. */
function probabilityLosses(index: Tensor, probabilities: Tensor, classCount: number): Tensor {
  const classes = builder.iota({ shape: [classCount], dtype: index.dtype, axis: 0 });
  const chosen = equal(reshape(index, [...index.shape, 1]), classes);
  const picked = sum(where(chosen, logProbabilities(probabilities, false), 0), { axis: -1 });
  const known = logicalAnd(greaterEqual(index, 0), less(index, classCount));
  return neg(where(known, picked, Number.NaN));
}

/**
 * −Σ y·log p over the last axis, averaged. labels: probabilities, such as one-hot rows, of the shape of the predictions
 * [..., classes] → a scalar. Throws DTypeError for labels that are not floats, ShapeError for another shape.
 * @example
 * nn.losses.categoricalCrossentropy(ng.tensor([[0, 1]]), ng.tensor([[0, 2]])).item(); // 0.1269…
 */
export function categoricalCrossentropy(
  labels: TensorLike,
  predictions: Tensor,
  { fromLogits = true }: CrossentropyOptions = {},
): Tensor {
  const y = asTensor(labels, "categoricalCrossentropy", predictions.dtype);
  checkSame(y, predictions, "categoricalCrossentropy");
  return neg(mean(sum(mul(y, logProbabilities(predictions, fromLogits)), { axis: -1 })));
}

const meanOfSquares = composite("meanSquaredError", ([y, predictions]: readonly [Tensor, Tensor]) =>
  mean(square(sub(y, predictions))),
);

/**
 * (y − ŷ)², averaged over all elements: two float tensors of one shape → a scalar.
 * Throws DTypeError for labels that are not floats, ShapeError for another shape: nothing is broadcast.
 * @example
 * nn.losses.meanSquaredError(ng.tensor([1, 2]), ng.tensor([1, 4])).item(); // 2
 */
export function meanSquaredError(labels: TensorLike, predictions: Tensor): Tensor {
  const y = asTensor(labels, "meanSquaredError", predictions.dtype);
  checkSame(y, predictions, "meanSquaredError");
  return meanOfSquares([y, predictions], {});
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
