/** The same elements in another arrangement. */
import {
  checkCount,
  formatShape,
  mulDims,
  normalizeAxes,
  normalizeAxis,
  resolveReshape,
  type Shape,
  ShapeError,
  sameShape,
  type Tensor,
  type TensorLike,
} from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";

/**
 * The same elements in row-major order under another shape; one size may be −1 and is worked out.
 * Throws ShapeError when the number of elements differs.
 * @example
 * ng.arange(6).reshape([2, -1]).shape; // [2, 3]
 */
export function reshape(x: TensorLike, shape: Shape): Tensor {
  const operand = asTensor(x, "reshape");
  const resolved = resolveReshape(operand.shape, shape, "reshape");
  return sameShape(resolved, operand.shape) ? operand : o.reshape(operand, { shape: resolved });
}

/**
 * Reorders the axes: axis i of the result is axis `axes[i]` of x. All axes are reversed when none are given.
 * Throws ShapeError unless every axis is named once.
 * @example
 * ng.ones([2, 3, 4]).transpose([0, 2, 1]).shape; // [2, 4, 3]
 */
export function transpose(x: TensorLike, axes?: readonly number[]): Tensor {
  const operand = asTensor(x, "transpose");
  const { rank } = operand;
  const permutation = axes
    ? axes.map((axis) => normalizeAxis(axis, rank, "transpose"))
    : Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (permutation.length === rank && permutation.every((axis, i) => axis === i)) return operand;
  return o.transpose(operand, { permutation });
}

/**
 * Moves one axis to another place; the others keep their order.
 * @example
 * ng.moveAxis(ng.ones([2, 3, 4]), 0, -1).shape; // [3, 4, 2]
 */
export function moveAxis(x: TensorLike, from: number, to: number): Tensor {
  const operand = asTensor(x, "moveAxis");
  const [source, target] = [from, to].map((axis) => normalizeAxis(axis, operand.rank, "moveAxis"));
  const others = operand.shape.map((_, i) => i).filter((i) => i !== source);
  return transpose(operand, others.toSpliced(target ?? 0, 0, source ?? 0));
}

/**
 * Exchanges two axes.
 * @example
 * ng.swapAxes(ng.ones([2, 3, 4]), 0, 2).shape; // [4, 3, 2]
 */
export function swapAxes(x: TensorLike, first: number, second: number): Tensor {
  const operand = asTensor(x, "swapAxes");
  const a = normalizeAxis(first, operand.rank, "swapAxes");
  const b = normalizeAxis(second, operand.rank, "swapAxes");
  return transpose(
    operand,
    operand.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  );
}

/**
 * Drops axes of size 1: those named, or all of them. Throws ShapeError when a named axis has another size.
 * @example
 * ng.ones([1, 3, 1]).squeeze(0).shape; // [3, 1]
 */
export function squeeze(x: TensorLike, axis?: number | readonly number[]): Tensor {
  const operand = asTensor(x, "squeeze");
  const { shape, rank } = operand;
  const dropped =
    axis === undefined ? shape.flatMap((d, i) => (d === 1 ? [i] : [])) : normalizeAxes(axis, rank, "squeeze");
  const wrong = dropped.find((i) => shape[i] !== 1);
  if (wrong !== undefined) {
    throw new ShapeError(
      `squeeze: expected axes of size 1; received axis ${wrong} of ${formatShape(shape)}. Use reshape to merge axes.`,
    );
  }
  return reshape(
    operand,
    shape.filter((_, i) => !dropped.includes(i)),
  );
}

/**
 * Adds axes of size 1, which stand at the given places of the result.
 * @example
 * ng.ones([3]).expandDims(0).shape; // [1, 3]
 * ng.ones([3]).expandDims([0, -1]).shape; // [1, 3, 1]
 */
export function expandDims(x: TensorLike, axis: number | readonly number[]): Tensor {
  const operand = asTensor(x, "expandDims");
  const count = typeof axis === "number" ? 1 : axis.length;
  const added = normalizeAxes(axis, operand.rank + count, "expandDims");
  return reshape(
    operand,
    added.reduce<Shape>((shape, at) => shape.toSpliced(at, 0, 1), operand.shape),
  );
}

/**
 * All elements in row-major order as one axis.
 * @example
 * ng.ones([2, 3]).ravel().shape; // [6]
 */
export function ravel(x: TensorLike): Tensor {
  return reshape(x, [-1]);
}

/**
 * Repeats along axes of size 1, and along new axes in front, up to `shape`. Throws ShapeError when x does not stretch to it.
 * @example
 * ng.tensor([1, 2]).broadcastTo([3, 2]).shape; // [3, 2]
 */
export function broadcastTo(x: TensorLike, shape: Shape): Tensor {
  const operand = asTensor(x, "broadcastTo");
  return sameShape(operand.shape, shape) ? operand : o.broadcastTo(operand, { shape });
}

/**
 * Reverses the order of the elements along the given axes; along all of them by default.
 * @example
 * ng.tensor([1, 2, 3]).flip().toArray(); // [3, 2, 1]
 */
export function flip(x: TensorLike, axis?: number | readonly number[]): Tensor {
  const operand = asTensor(x, "flip");
  return o.flip(operand, { axes: normalizeAxes(axis, operand.rank, "flip") });
}

/**
 * The tensor `counts[i]` times in a row along axis i; missing counts and missing axes, both in front, are 1.
 * @example
 * ng.tile(ng.tensor([1, 2]), [2]).toArray(); // [1, 2, 1, 2]
 */
export function tile(x: TensorLike, counts: readonly number[]): Tensor {
  const operand = asTensor(x, "tile");
  for (const count of counts) checkCount(count, 0, "tile");
  const rank = Math.max(operand.rank, counts.length);
  const sizes = [...new Array<number>(rank - operand.rank).fill(1), ...operand.shape];
  const times = [...new Array<number>(rank - counts.length).fill(1), ...counts];
  const apart = o.reshape(operand, { shape: sizes.flatMap((size) => [1, size]) });
  const repeated = o.broadcastTo(apart, { shape: sizes.flatMap((size, i) => [times[i] ?? 1, size]) });
  return o.reshape(repeated, { shape: sizes.map((size, i) => mulDims(size, times[i] ?? 1)) });
}

/**
 * Every element `count` times in a row along an axis.
 * @example
 * ng.repeat(ng.tensor([1, 2]), 2).toArray(); // [1, 1, 2, 2]
 */
export function repeat(x: TensorLike, count: number, axis = 0): Tensor {
  const operand = asTensor(x, "repeat");
  checkCount(count, 0, "repeat");
  const at = normalizeAxis(axis, operand.rank, "repeat");
  const apart = expandDims(operand, at + 1);
  const repeated = o.broadcastTo(apart, { shape: apart.shape.with(at + 1, count) });
  return o.reshape(repeated, { shape: operand.shape.with(at, mulDims(operand.shape[at] ?? 1, count)) });
}

/** Elements added in front of and behind an axis; one number for both. */
export type PadWidth = number | readonly [before: number, after: number];

/** Options of `pad`. */
export interface PadOptions {
  /** What is put around the elements; default 0. */
  readonly value?: number;
}

/**
 * Puts a value around the elements: `widths` for all axes, or one entry for each.
 * Throws ShapeError for another number of entries, ValueError for negative widths.
 * @example
 * ng.pad(ng.tensor([1, 2]), [[1, 2]]).toArray(); // [0, 1, 2, 0, 0]
 */
export function pad(
  x: TensorLike,
  widths: number | readonly PadWidth[],
  { value = 0 }: PadOptions = {},
): Tensor {
  const operand = asTensor(x, "pad");
  const list = typeof widths === "number" ? operand.shape.map((): PadWidth => widths) : widths;
  if (list.length !== operand.rank) {
    throw new ShapeError(
      `pad: expected one width for each axis of ${formatShape(operand.shape)}; received ${list.length}. Write [before, after] for each axis.`,
    );
  }
  const pairs = list.map((width) => (typeof width === "number" ? ([width, width] as const) : width));
  for (const width of pairs.flat()) checkCount(width, 0, "pad");
  return o.pad(operand, {
    low: pairs.map(([before]) => before),
    high: pairs.map(([, after]) => after),
    interior: pairs.map(() => 0),
    value,
  });
}
