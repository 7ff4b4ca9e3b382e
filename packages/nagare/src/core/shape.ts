/** Shapes: what every shape rule computes with. A shape is a frozen list of dimensions, numbers or symbols. */
import type { Dim, DimBindings } from "./dim.ts";
import { evaluateDim, exactQuotient, formatDim, mulDims } from "./dim.ts";
import { ShapeError, ValueError } from "./errors.ts";

/** The sizes of a tensor's axes, outermost first; `[]` is a scalar. */
export type Shape = readonly Dim[];

/** The number of elements of a shape; symbolic when a dimension is. */
export function sizeOf(shape: Shape): Dim {
  let size: Dim = 1;
  for (const d of shape) size = mulDims(size, d);
  return size;
}

/** The number of elements of a shape that must be concrete by now. */
export function concreteSize(shape: Shape): number {
  let size = 1;
  for (const d of shape) {
    if (typeof d !== "number") {
      throw new ShapeError(
        `A concrete shape was expected here; received ${formatShape(shape)}. Symbolic dimensions exist only while tracing.`,
      );
    }
    size *= d;
  }
  return size;
}

/** The sizes as numbers; throws ShapeError when one is symbolic. */
export function concreteShape(shape: Shape): readonly number[] {
  concreteSize(shape);
  return shape as readonly number[];
}

export function isConcrete(shape: Shape): shape is readonly number[] {
  return shape.every((d) => typeof d === "number");
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `[2, batch, 3]`, for messages and printed graphs. */
export function formatShape(shape: Shape): string {
  return `[${shape.map(formatDim).join(", ")}]`;
}

/** Every dimension replaced by its number. */
export function evaluateShape(shape: Shape, bindings: DimBindings): readonly number[] {
  return shape.map((d) => evaluateDim(d, bindings));
}

/** Row-major strides, in elements. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] ?? 1;
  }
  return strides;
}

/**
 * NumPy's broadcasting: shapes are aligned at the last axis; a missing axis or one of size 1 stretches.
 * A symbolic dimension meets only itself or 1.
 */
export function broadcastShapes(shapes: readonly Shape[], where: string): Shape {
  const [first] = shapes;
  if (first && shapes.every((shape) => sameShape(shape, first))) return first;
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let size: Dim = 1;
    for (const shape of shapes) {
      const d = shape[axis - (rank - shape.length)] ?? 1;
      if (d === 1 || d === size) continue;
      if (size !== 1) {
        throw new ShapeError(
          `${where}: the shapes ${shapes.map(formatShape).join(" and ")} do not broadcast: axis ${axis - rank} has ` +
            `${formatDim(size)} and ${formatDim(d)}. Sizes must be equal or 1; use reshape to add axes of size 1.`,
        );
      }
      size = d;
    }
    result.push(size);
  }
  return result;
}

/** The axes that broadcasting from `from` to `to` stretches, as axes of `to`: what its transpose sums over. */
export function broadcastAxes(from: Shape, to: Shape): { added: number; stretched: number[] } {
  const added = to.length - from.length;
  const stretched: number[] = [];
  for (let i = 0; i < from.length; i++) {
    if (from[i] === 1 && to[added + i] !== 1) stretched.push(added + i);
  }
  return { added, stretched };
}

/** An axis counted from the front; negative axes count from the back. */
export function normalizeAxis(axis: number, rank: number, where: string): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(
      rank === 0
        ? `${where}: a scalar has no axes; received axis ${axis}.`
        : `${where}: expected an axis from ${-rank} to ${rank - 1}; received ${axis}.`,
    );
  }
  return axis < 0 ? axis + rank : axis;
}

/** Axes counted from the front, in rising order, each once; `undefined` means all of them. */
export function normalizeAxes(
  axes: number | readonly number[] | undefined,
  rank: number,
  where: string,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => normalizeAxis(axis, rank, where));
  if (new Set(list).size !== list.length) {
    throw new ShapeError(`${where}: every axis may be named once; received [${String(axes)}].`);
  }
  return list.sort((a, b) => a - b);
}

/** Checks a shape given by a user: whole numbers from 0 up, or symbols. */
export function checkShape(shape: Shape, where: string): Shape {
  for (const d of shape) {
    if (typeof d === "symbol" || (Number.isSafeInteger(d) && d >= 0)) continue;
    throw new ShapeError(
      `${where}: expected sizes that are whole numbers from 0 up; received ${formatShapeLoose(shape)}.`,
    );
  }
  return shape;
}

function formatShapeLoose(shape: readonly unknown[]): string {
  return `[${shape.map(String).join(", ")}]`;
}

/** The shape `reshape` makes of `from`, with at most one -1 filled in. */
export function resolveReshape(from: Shape, to: Shape, where: string): Shape {
  const unknown = to.indexOf(-1);
  const known = to.filter((d) => d !== -1);
  checkShape(known, where);
  if (to.length - known.length > 1) {
    throw new ShapeError(`${where}: at most one size may be -1; received ${formatShape(to)}.`);
  }
  const total = sizeOf(from);
  const size = sizeOf(known);
  const fail = (): never => {
    throw new ShapeError(
      `${where}: ${formatShape(from)} has ${formatDim(total)} elements and cannot take the shape ${formatShape(to)}.`,
    );
  };
  if (unknown < 0) return size === total ? to : fail();
  const rest = exactQuotient(total, size);
  if (rest === undefined) return fail();
  return to.map((d) => (d === -1 ? rest : d));
}

/** Throws ValueError unless `value` can be added to a variance: a finite number from 0 up. */
export function checkEpsilon(value: number, where: string): number {
  if (value >= 0 && Number.isFinite(value)) return value;
  throw new ValueError(`${where}: expected an epsilon from 0 up; received ${value}.`);
}

/** Throws ValueError unless `value` is a whole number of at least `least`. */
export function checkCount(value: unknown, least: number, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
  throw new ValueError(`${where}: expected a whole number of at least ${least}; received ${String(value)}.`);
}
