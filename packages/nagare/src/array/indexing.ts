/** Parts of a tensor: by ranges known in advance, and by indices that are tensors. */
import {
  checkCount,
  type Dim,
  formatDim,
  formatShape,
  normalizeAxis,
  type Shape,
  ShapeError,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, composite, builder as o, scalar } from "../ops/index.ts";
import { moveAxis, ravel, reshape } from "./shape.ts";

/**
 * What `slice` takes from one axis: `null` all of it; a number one index, and the axis goes; [start, stop, step] a range
 * as in Python, where null or a missing entry means the end, and negative numbers count from the back.
 */
export type AxisSlice =
  | null
  | number
  | readonly [start?: number | null, stop?: number | null, step?: number | null];

interface Range {
  readonly start: number;
  readonly limit: Dim;
  readonly step: number;
  /** Whether the range runs backwards: it is taken forwards and flipped. */
  readonly reversed: boolean;
  readonly dropped: boolean;
}

function checkWhole(value: number, what: string): void {
  if (!Number.isSafeInteger(value))
    throw new ValueError(`slice: expected ${what} to be a whole number; received ${String(value)}.`);
}

/** Of an axis whose size is not known yet: ranges counted from the front, up to a number or the end. */
function symbolicRange(size: symbol, entry: AxisSlice): Range {
  const [start, stop, step] = typeof entry === "number" ? [entry, entry + 1, 1] : (entry ?? []);
  const range = { start: start ?? 0, limit: stop ?? size, step: step ?? 1 };
  if (range.start < 0 || range.step < 1 || (typeof range.limit === "number" && range.limit < range.start)) {
    throw new ShapeError(
      `slice: an axis of the symbolic size ${formatDim(size)} takes ranges from the front, with a positive step; ` +
        `received ${JSON.stringify(entry)}.`,
    );
  }
  return { ...range, reversed: false, dropped: typeof entry === "number" };
}

function indexRange(size: number, index: number, axis: number, shape: Shape): Range {
  if (index < -size || index >= size) {
    throw new ValueError(
      `slice: expected an index from ${-size} to ${size - 1} on axis ${axis} of ${formatShape(shape)}; received ${index}.`,
    );
  }
  const start = index < 0 ? index + size : index;
  return { start, limit: start + 1, step: 1, reversed: false, dropped: true };
}

/** Python's rules: bounds beyond the ends are brought to the ends. */
function concreteRange(
  size: number,
  start: number | null | undefined,
  stop: number | null | undefined,
  step: number,
): Range {
  const bound = (value: number, low: number, high: number) =>
    Math.min(Math.max(value < 0 ? value + size : value, low), high);
  if (step > 0) {
    const from = bound(start ?? 0, 0, size);
    return {
      start: from,
      limit: Math.max(from, bound(stop ?? size, 0, size)),
      step,
      reversed: false,
      dropped: false,
    };
  }
  const last = bound(start ?? size - 1, -1, size - 1);
  const before = stop === null || stop === undefined ? -1 : bound(stop, -1, size - 1);
  const count = Math.max(0, Math.ceil((last - before) / -step));
  const first = count === 0 ? 0 : last + (count - 1) * step;
  return { start: first, limit: count === 0 ? 0 : last + 1, step: -step, reversed: true, dropped: false };
}

function rangeOf(shape: Shape, axis: number, entry: AxisSlice): Range {
  const size = shape[axis] ?? 0;
  if (typeof entry === "number") checkWhole(entry, "an index");
  else
    for (const value of entry ?? [])
      if (value !== null && value !== undefined) checkWhole(value, "start, stop and step");
  if (typeof size === "symbol") return symbolicRange(size, entry);
  if (typeof entry === "number") return indexRange(size, entry, axis, shape);
  const [start, stop, step] = entry ?? [];
  if (step === 0) throw new ValueError("slice: expected a step other than 0; received 0.");
  return concreteRange(size, start, stop, step ?? 1);
}

/**
 * A part of x, one entry for each axis as in NumPy's x[…]: null for the whole axis, a number for one index (the axis
 * goes), [start, stop, step] for a range. "..." stands for as many whole axes as are missing; they are missing at the
 * end by default. Ranges are clamped to the axis, as in Python; an index outside throws ValueError.
 * @example
 * x.slice(0); // x[0]
 * x.slice([1, 3], -1); // x[1:3, -1]
 * x.slice("...", [null, null, 2]); // x[..., ::2]
 */
export function slice(x: TensorLike, ...entries: (AxisSlice | "...")[]): Tensor {
  const operand = asTensor(x, "slice");
  const { shape, rank } = operand;
  const given = entries.filter((entry): entry is AxisSlice => entry !== "...");
  if (given.length > rank || entries.length - given.length > 1) {
    throw new ShapeError(
      `slice: expected at most one entry for each axis of ${formatShape(shape)}, and one "..."; received ${JSON.stringify(entries)}. ` +
        `A range is one entry: [start, stop].`,
    );
  }
  const rest = new Array<AxisSlice>(rank - given.length).fill(null);
  const gap = entries.indexOf("...");
  const all = given.toSpliced(gap < 0 ? given.length : gap, 0, ...rest);
  const ranges = all.map((entry, axis) => rangeOf(shape, axis, entry));
  const whole = ranges.every(
    ({ start, limit, step }, axis) => start === 0 && limit === shape[axis] && step === 1,
  );
  const taken = whole
    ? operand
    : o.slice(operand, {
        starts: ranges.map(({ start }) => start),
        limits: ranges.map(({ limit }) => limit),
        strides: ranges.map(({ step }) => step),
      });
  const reversed = ranges.flatMap((range, axis) => (range.reversed ? [axis] : []));
  const ordered = reversed.length > 0 ? o.flip(taken, { axes: reversed }) : taken;
  return reshape(
    ordered,
    ordered.shape.filter((_, axis) => !ranges[axis]?.dropped),
  );
}

/**
 * Pieces of x along an axis: that many of equal size, or one before, between and after the given indices.
 * Throws ShapeError when the axis does not divide evenly.
 * @example
 * ng.split(ng.arange(6), 3).map((t) => t.toArray()); // [[0, 1], [2, 3], [4, 5]]
 * ng.split(ng.arange(6), [1, 4]).map((t) => t.shape); // [[1], [3], [2]]
 */
export function split(
  x: TensorLike,
  parts: number | readonly number[],
  { axis = 0 }: { readonly axis?: number } = {},
): Tensor[] {
  const operand = asTensor(x, "split");
  const at = normalizeAxis(axis, operand.rank, "split");
  const size = operand.shape[at];
  if (typeof size !== "number") {
    throw new ShapeError(
      `split: expected an axis whose size is a number; received axis ${at} of ${formatShape(operand.shape)}.`,
    );
  }
  const before: null[] = new Array<null>(at).fill(null);
  if (typeof parts === "number") {
    checkCount(parts, 1, "split, parts");
    if (size % parts !== 0) {
      throw new ShapeError(
        `split: axis ${at} of ${formatShape(operand.shape)} does not divide into ${parts} equal parts. Name the indices to split at.`,
      );
    }
  }
  const bounds =
    typeof parts === "number" ? Array.from({ length: parts - 1 }, (_, i) => ((i + 1) * size) / parts) : parts;
  return [...bounds, null].map((stop, i) => slice(operand, ...before, [bounds[i - 1] ?? 0, stop]));
}

const countFromFront = composite(
  "take",
  ([indices]: readonly [Tensor], { size }: { readonly size: number }) =>
    o.select(o.less(indices, 0), o.add(indices, size), indices),
);

/** Indices that count from the front. */
function fromFront(indices: Tensor, size: Dim): Tensor {
  // Without a number for the size, gather itself refuses negative indices.
  if (typeof size !== "number" || (indices.dtype !== "int32" && indices.dtype !== "int64")) return indices;
  return countFromFront([indices], { size });
}

/** Indices as a tensor, of at least 32 bits. */
function indexTensor(indices: TensorLike, where: string): Tensor {
  const given = typeof indices === "number" ? scalar(indices, "int32") : asTensor(indices, where);
  return given.dtype === "int8" || given.dtype === "uint8" ? o.convert(given, { dtype: "int32" }) : given;
}

/**
 * The elements of x at integer indices along an axis, as NumPy's take: the axis is replaced by the indices' shape.
 * Negative indices count from the back. Without an axis x is taken as flat. Throws ValueError for an index outside when
 * the values are there, DTypeError for indices that are not integers.
 * @example
 * ng.take(table, tokens, { axis: 0 }); // [vocabulary, width], [batch, time] → [batch, time, width]
 */
export function take(x: TensorLike, indices: TensorLike, { axis }: { readonly axis?: number } = {}): Tensor {
  const operand = asTensor(x, "take");
  if (axis === undefined) return take(ravel(operand), indices, { axis: 0 });
  const at = normalizeAxis(axis, operand.rank, "take");
  const picks = fromFront(indexTensor(indices, "take"), operand.shape[at] ?? 0);
  return o.gather(operand, picks, { axis: at, batchAxes: 0 });
}

/**
 * For each position of the other axes, the elements of x at that position's own indices, as NumPy's take_along_axis.
 * The indices have x's shape but for the axis. Throws ShapeError when they have not, ValueError for an index outside.
 * @example
 * ng.takeAlongAxis(logProbabilities, labels.expandDims(-1), -1); // [batch, classes], [batch, 1] → [batch, 1]
 */
export function takeAlongAxis(x: TensorLike, indices: TensorLike, axis: number): Tensor {
  const operand = asTensor(x, "takeAlongAxis");
  const at = normalizeAxis(axis, operand.rank, "takeAlongAxis");
  const picks = fromFront(indexTensor(indices, "takeAlongAxis"), operand.shape[at] ?? 0);
  const fits =
    picks.rank === operand.rank && picks.shape.every((size, i) => i === at || size === operand.shape[i]);
  if (!fits) {
    throw new ShapeError(
      `takeAlongAxis: expected indices of shape ${formatShape(operand.shape)} but for axis ${at}; received ${formatShape(picks.shape)}.`,
    );
  }
  const last = operand.rank - 1;
  const found = o.gather(moveAxis(operand, at, last), moveAxis(picks, at, last), {
    axis: last,
    batchAxes: last,
  });
  return moveAxis(found, last, at);
}
