/** What must hold for the labels of a batch before any step uses them. */
import {
  type Aval,
  type DType,
  DTypeError,
  formatAval,
  isFloat,
  isInteger,
  ShapeError,
  type Tensor,
  type TypedArray,
  ValueError,
} from "../core/index.ts";

/** The bits of a half's exponent: all of them set means NaN or infinity. */
const exponentBits: { readonly [D in DType]?: number } = { float16: 0x7c00, bfloat16: 0x7f80 };

function firstNotFinite(values: TypedArray, dtype: DType): number {
  const bits = exponentBits[dtype];
  return bits === undefined
    ? values.findIndex((value: number | bigint) => !Number.isFinite(value))
    : values.findIndex((value: number | bigint) => (Number(value) & bits) === bits);
}

/**
 * Looks at the labels of one batch before any step uses them: as many as examples, no NaN or infinity among floats, and
 * for the sparse cross-entropy classes from 0 to one less than the predictions have.
 * @param predictions What the model gives for the batch.
 */
export function checkLabels(lossName: string, labels: Tensor, predictions: Aval): void {
  const [examples] = labels.shape;
  if (examples === undefined || examples !== predictions.shape[0]) {
    throw new ShapeError(
      `expected as many labels as predictions, ${formatAval(predictions)}; received ${formatAval(labels)}.`,
    );
  }
  const values = labels.readStorage().readSync();
  const bad = isFloat(labels.dtype) ? firstNotFinite(values, labels.dtype) : -1;
  if (bad >= 0) {
    throw new ValueError(
      `expected finite labels; received NaN or infinity at position ${bad} of ${formatAval(labels)}. ` +
        "Leave such examples out.",
    );
  }
  if (lossName === "sparseCategoricalCrossentropy") checkClasses(labels, values, predictions);
}

function checkClasses(labels: Tensor, values: TypedArray, predictions: Aval): void {
  if (!isInteger(labels.dtype)) {
    throw new DTypeError(
      `sparseCategoricalCrossentropy expects integer labels; received ${formatAval(labels)}. Convert class ` +
        `numbers with .astype("int32"), or use categoricalCrossentropy for one-hot labels.`,
    );
  }
  const classes = Number(predictions.shape.at(-1));
  const bad = values.findIndex((value: number | bigint) => value < 0 || value >= classes);
  if (bad >= 0) {
    throw new ValueError(
      `expected labels from 0 to ${classes - 1}, because the model has ${classes} outputs; received ` +
        `${String(values[bad])} at position ${bad}.`,
    );
  }
}
