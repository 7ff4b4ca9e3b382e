/** What `fit`, `evaluate` and `predict` accept as data. */
import { concreteSize, formatAval, formatShape, ShapeError, Tensor, ValueError } from "../core/index.ts";
import { Dataset } from "../data/index.ts";

/** A batch of inputs and labels, as `[x, y]` or `{ x, y }`. */
export type LabeledBatch = readonly [Tensor, Tensor] | { readonly x: Tensor; readonly y: Tensor };

/** A dataset of labeled batches, or all inputs and labels as tensors, which are then cut into batches. */
export type LabeledData = Dataset<LabeledBatch> | LabeledBatch;

/** Inputs for `predict`: all of them as a tensor, or a dataset of batches, whose labels are left aside. */
export type InputData = Tensor | Dataset<Tensor | LabeledBatch>;

/**
 * Batches of at most `batchSize` examples; tensors are shuffled with a seed where one is given.
 * Throws ShapeError or ValueError for data that are no inputs and labels.
 */
export function labeledBatches(data: LabeledData, batchSize: number, seed?: number): Dataset<LabeledBatch> {
  if (data instanceof Dataset) return data;
  const [x, y] = splitBatch(data);
  if (x.rank === 0 || y.rank === 0 || x.shape[0] !== y.shape[0]) {
    throw new ShapeError(
      `inputs ${formatShape(x.shape)} and labels ${formatShape(y.shape)} must have the same number of examples in front.`,
    );
  }
  checkExamples(x);
  const examples = Dataset.fromTensors([x, y] as const);
  const ordered = seed === undefined ? examples : examples.shuffle({ seed });
  return ordered.batch(batchSize) as unknown as Dataset<LabeledBatch>;
}

/** Batches of inputs. Throws ShapeError or ValueError for data that are no inputs. */
export function inputBatches(data: InputData, batchSize: number): Dataset<Tensor> {
  if (data instanceof Dataset) {
    return data.map((batch) => (batch instanceof Tensor ? batch : splitBatch(batch)[0]));
  }
  if (!(data instanceof Tensor)) {
    throw new ValueError(`expected a tensor of inputs or a dataset of batches; received ${describe(data)}.`);
  }
  checkExamples(data);
  return Dataset.fromTensors(data).batch(batchSize) as unknown as Dataset<Tensor>;
}

/** Throws unless a tensor has a first axis with something in it. */
export function checkExamples(x: Tensor): void {
  if (x.rank > 0 && concreteSize(x.shape.slice(0, 1)) > 0) return;
  throw new ValueError(`expected inputs [examples, …] with at least one example; received ${formatAval(x)}.`);
}

/** The inputs and the labels of a batch. Throws ValueError for anything else. */
export function splitBatch(batch: LabeledBatch): readonly [Tensor, Tensor] {
  const given: unknown = batch;
  const isPair = Array.isArray(given) && given.length === 2;
  const { x, y } = (isPair ? { x: given[0], y: given[1] } : (given ?? {})) as { x?: unknown; y?: unknown };
  if (x instanceof Tensor && y instanceof Tensor) return [x, y];
  throw new ValueError(`expected batches [x, y] or { x, y } of two tensors; received ${describe(given)}.`);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Tensor) return formatAval(value);
  return typeof value === "object" && value !== null
    ? `an object with ${Object.keys(value).join(", ") || "no fields"}`
    : String(value);
}
