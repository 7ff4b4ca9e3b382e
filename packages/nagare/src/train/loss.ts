/** Losses and metrics as `compile` takes them, by name or as functions, and the figures they give. */

import { argMax, astype, equal, mean, reshape } from "../array/index.ts";
import {
  formatAval,
  formatShape,
  isDifferentiable,
  isInteger,
  ShapeError,
  sameShape,
  Tensor,
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

/** The classes that labels name: integers [...] or [..., 1] as they are, one-hot [..., classes] by their largest. */
function labeledClasses(labels: Tensor, predictions: Tensor): Tensor {
  const examples = predictions.shape.slice(0, -1);
  if (sameShape(labels.shape, predictions.shape)) return argMax(labels, { axis: -1 });
  if (isInteger(labels.dtype) && sameShape(labels.shape, examples)) return astype(labels, "int32");
  if (isInteger(labels.dtype) && sameShape(labels.shape, [...examples, 1])) {
    return astype(reshape(labels, examples), "int32");
  }
  throw new ShapeError(
    `accuracy: expected integer labels ${formatShape(examples)} or one-hot labels ${formatShape(predictions.shape)}; received ${formatAval(labels)}.`,
  );
}

/**
 * The share of predictions [..., classes] whose largest class is the label, a float32 scalar. Labels are integers [...]
 * or one-hot [..., classes]. Throws ShapeError when they do not go together, or when there is only one class.
 * @example
 * train.accuracy(ng.tensor([1, 0], { dtype: "int32" }), ng.tensor([[0, 1], [0, 1]])).item(); // 0.5
 */
export function accuracy(labels: Tensor, predictions: Tensor): Tensor {
  const classes = predictions.shape.at(-1);
  if (classes === undefined || classes === 1) {
    throw new ShapeError(
      `accuracy: expected predictions [..., classes] of two classes or more; received ${formatAval(predictions)}. ` +
        "For a single output, pass a function of labels and predictions as the metric.",
    );
  }
  const chosen = argMax(predictions, { axis: -1 });
  return mean(astype(equal(chosen, labeledClasses(labels, predictions)), "float32"));
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

/** A user's function whose result is checked when the step is traced: before anything is computed. */
function custom(f: LossFunction, what: "loss" | "metric"): LossFunction {
  return (labels, predictions) => {
    const figure: unknown = f(labels, predictions);
    if (figure instanceof Tensor && figure.rank === 0 && (what === "metric" || isDifferentiable(figure))) {
      return figure;
    }
    throw new ShapeError(
      `compile: expected the ${what} ${f.name || "given"} to return a ${what === "loss" ? "float " : ""}scalar; received ` +
        `${figure instanceof Tensor ? formatAval(figure) : String(figure)}. Reduce it with .mean().`,
    );
  };
}

/** A loss by name or as a function. Throws ValueError for an unknown name. */
export function resolveLoss(choice: LossName | LossFunction): NamedFunction {
  if (typeof choice === "function") return { name: choice.name || "loss", compute: custom(choice, "loss") };
  return { name: choice, compute: lookUp(lossByName, choice, "loss") };
}

/**
 * Metrics by name or as functions, whose own names are used. Throws ValueError for an unknown name, and when two figures
 * would have one name.
 */
export function resolveMetrics(choices: readonly (MetricName | LossFunction)[]): NamedFunction[] {
  const names = new Set(["loss"]);
  return choices.map((choice, i) => {
    const name = typeof choice === "function" ? choice.name || `metric${i}` : choice;
    const compute =
      typeof choice === "function" ? custom(choice, "metric") : lookUp(metricByName, choice, "metric");
    if (names.has(name)) {
      throw new ValueError(
        `compile: expected a name of its own for every figure; received ${JSON.stringify(name)} twice. ` +
          "The name of a function is that of its figures.",
      );
    }
    names.add(name);
    return { name, compute };
  });
}
