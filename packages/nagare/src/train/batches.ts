/** What `fit`, `evaluate` and `predict` accept as data. */
import { formatShape, ShapeError, Tensor, ValueError } from "../core/index.ts";
import { Dataset } from "../data/index.ts";

/** A batch of inputs and labels, as `[x, y]` or `{ x, y }`. */
export type LabeledBatch = readonly [Tensor, Tensor] | { readonly x: Tensor; readonly y: Tensor };

/** A dataset of labeled batches, or all inputs and labels as tensors, which are then cut into batches. */
export type LabeledData = Dataset<LabeledBatch> | LabeledBatch;

/** Batches of at most `batchSize` examples. Throws ShapeError or ValueError for data that are no inputs and labels. */
export function labeledBatches(data: LabeledData, batchSize: number, where: string): Dataset<LabeledBatch> {
  if (data instanceof Dataset) return data;
  const [x, y] = splitBatch(data, where);
  if (x.rank === 0 || y.rank === 0 || x.shape[0] !== y.shape[0]) {
    throw new ShapeError(
      `${where}: inputs ${formatShape(x.shape)} and labels ${formatShape(y.shape)} must have the same number of examples in front.`,
    );
  }
  return Dataset.fromTensors([x, y] as const).batch(batchSize) as unknown as Dataset<LabeledBatch>;
}

/** The inputs and the labels of a batch. Throws ValueError for anything else. */
export function splitBatch(batch: LabeledBatch, where: string): readonly [Tensor, Tensor] {
  const [x, y] = Array.isArray(batch)
    ? (batch as readonly [Tensor, Tensor])
    : [(batch as { x?: Tensor }).x, (batch as { y?: Tensor }).y];
  if (x instanceof Tensor && y instanceof Tensor) return [x, y];
  throw new ValueError(
    `${where}: expected batches [x, y] or { x, y } of two tensors; received ${describe(batch)}.`,
  );
}

function describe(batch: unknown): string {
  if (Array.isArray(batch)) return `an array of ${batch.length}`;
  return typeof batch === "object" && batch !== null
    ? `an object with ${Object.keys(batch).join(", ") || "no fields"}`
    : String(batch);
}
