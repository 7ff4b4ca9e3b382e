/** Losses and metrics as `compile` takes them: by name or as functions, with the checks their labels need. */

import { argMax, astype, equal, mean, reshape } from "../array/index.ts";
import {
  type Aval,
  DTypeError,
  formatAval,
  formatShape,
  isFloat,
  isInteger,
  ShapeError,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { losses } from "../nn/index.ts";

/** A function of labels and predictions: for losses the scalar to minimize, for metrics the mean over the batch. */
export type LossFunction = (labels: Tensor, predictions: Tensor) => Tensor;

/** The losses that `compile` accepts by name; the cross-entropies take logits. */
export type LossName = "sparseCategoricalCrossentropy" | "categoricalCrossentropy" | "meanSquaredError";

/** The metrics that `compile` accepts by name. */
export type MetricName = "accuracy" | "meanSquaredError";

/** A loss or metric with the name its figures carry. */
export interface NamedFunction {
  readonly name: string;
  readonly compute: LossFunction;
}

const lossByName: { readonly [K in LossName]: LossFunction } = {
  sparseCategoricalCrossentropy: (labels, predictions) =>
    losses.sparseCategoricalCrossentropy(labels, predictions),
  categoricalCrossentropy: (labels, predictions) => losses.categoricalCrossentropy(labels, predictions),
  meanSquaredError: (labels, predictions) => losses.meanSquaredError(labels, predictions),
};

/**
 * The share of predictions whose largest class is the label. Labels are integers [...] or one-hot [..., classes].
 */
export function accuracy(labels: Tensor, predictions: Tensor): Tensor {
  const chosen = argMax(predictions, { axis: -1 });
  const sparse = isInteger(labels.dtype);
  const last = labels.shape.at(-1);
  const column = sparse && labels.rank === predictions.rank && last === 1;
  const expected = sparse
    ? astype(column ? reshape(labels, labels.shape.slice(0, -1)) : labels, "int32")
    : argMax(labels, { axis: -1 });
  return mean(astype(equal(chosen, expected), "float32"));
}

const metricByName: { readonly [K in MetricName]: LossFunction } = {
  accuracy,
  meanSquaredError: (labels, predictions) => losses.meanSquaredError(labels, predictions),
};

function lookUp<K extends string>(
  table: { readonly [Name in K]: LossFunction },
  choice: K,
  what: string,
): LossFunction {
  if (Object.hasOwn(table, choice)) return table[choice];
  throw new ValueError(
    `compile: expected the ${what} to be a function or one of ${Object.keys(table).join(", ")}; received ${JSON.stringify(choice)}.`,
  );
}

/** A loss by name or as a function. Throws ValueError for an unknown name. */
export function resolveLoss(choice: LossName | LossFunction): NamedFunction {
  if (typeof choice === "function") return { name: choice.name || "loss", compute: choice };
  return { name: choice, compute: lookUp(lossByName, choice, "loss") };
}

/** A metric by name or as a function. Throws ValueError for an unknown name. */
export function resolveMetric(choice: MetricName | LossFunction, index: number): NamedFunction {
  if (typeof choice === "function") return { name: choice.name || `metric${index}`, compute: choice };
  return { name: choice, compute: lookUp(metricByName, choice, "metric") };
}

/**
 * Looks at the labels of one batch before any step uses them: no NaN or infinity among floats; for the sparse
 * cross-entropy, classes from 0 to one less than the predictions have. `predictions` are the model's output.
 */
export function checkLabels(lossName: string, labels: Tensor, predictions: Aval): void {
  const [examples] = labels.shape;
  if (labels.rank === 0 || examples !== predictions.shape[0]) {
    throw new ShapeError(
      `fit: the labels ${formatShape(labels.shape)} and the predictions ${formatShape(predictions.shape)} must have the same number of examples.`,
    );
  }
  const values = labels.readStorage().readSync();
  if (isFloat(labels.dtype) && labels.dtype !== "float16" && labels.dtype !== "bfloat16") {
    const bad = values.findIndex((value: number | bigint) => !Number.isFinite(value));
    if (bad >= 0)
      throw new ValueError(
        `fit: expected finite labels; received ${String(values[bad])} at position ${bad} of ${formatAval(labels)}.`,
      );
  }
  if (lossName !== "sparseCategoricalCrossentropy") return;
  if (!isInteger(labels.dtype)) {
    throw new DTypeError(
      `fit: sparseCategoricalCrossentropy expects integer labels; received ${formatAval(labels)}. Convert them with .astype("int32"), or use categoricalCrossentropy for one-hot labels.`,
    );
  }
  const classes = predictions.shape.at(-1);
  if (typeof classes !== "number") return;
  const bad = values.findIndex((value: number | bigint) => value < 0 || value >= classes);
  if (bad >= 0) {
    throw new ValueError(
      `fit: expected labels from 0 to ${classes - 1}, because the model has ${classes} outputs; received ${String(values[bad])} at position ${bad}.`,
    );
  }
}
