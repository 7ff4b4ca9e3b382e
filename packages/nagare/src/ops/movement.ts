/** Operations that rearrange elements without computing: shape, repetition, order. All are linear. */
import {
  checkShape,
  formatShape,
  normalizeAxis,
  rowMajorStrides,
  type Shape,
  ShapeError,
  sizeOf,
} from "../core/index.ts";
import { type Op1, op1, sumTo } from "./define/index.ts";
import { linear, sampled, shifted, strided } from "./strided.ts";

type Family = typeof import("./movement.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** The same elements in row-major order under another shape of equal size. */
export const reshape: Op1<{ shape: Shape }> = op1("reshape", {
  dtypes: "any",
  abstract: ([x], { shape }) => {
    checkShape(shape, "reshape");
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new ShapeError(
        `reshape: ${formatShape(x.shape)} has ${String(sizeOf(x.shape))} elements and cannot take the shape ${formatShape(shape)}.`,
      );
    }
    return { shape, dtype: x.dtype };
  },
  linear,
  transpose: (o, ct, _, __, operand) => o.reshape(ct, { shape: operand.shape }),
  batch: (o, [x], _, { shape }, size) => o.reshape(x, { shape: [size, ...shape] }),
  reference: ([x]) => x.data,
  samples: () => [
    { inputs: [{ shape: [2, 3], ...sampled }], params: { shape: [3, 2] } },
    { inputs: [{ shape: [0, 3], ...sampled }], params: { shape: [2, 0] } },
    { inputs: [{ shape: [4], ...sampled }], params: { shape: [2, 1, 2] } },
    { inputs: [{ shape: [1, 1], ...sampled }], params: { shape: [] } },
  ],
});

/** Repeats along axes of size 1 and along new axes in front, up to `shape`. */
export const broadcastTo: Op1<{ shape: Shape }> = op1("broadcastTo", {
  dtypes: "any",
  abstract: ([x], { shape }) => {
    checkShape(shape, "broadcastTo");
    const added = shape.length - x.shape.length;
    if (added < 0 || x.shape.some((d, i) => d !== 1 && d !== shape[added + i])) {
      throw new ShapeError(
        `broadcastTo: ${formatShape(x.shape)} does not stretch to ${formatShape(shape)}: each size must be 1 or equal, aligned at the last axis.`,
      );
    }
    return { shape, dtype: x.dtype };
  },
  linear,
  transpose: (o, ct, _, __, operand) => sumTo(o, ct, operand.shape),
  batch: (o, [x], _, { shape }, size) => {
    const missing = shape.length + 1 - x.rank;
    const aligned = [size, ...new Array<number>(missing).fill(1), ...x.shape.slice(1)];
    return o.broadcastTo(o.reshape(x, { shape: aligned }), { shape: [size, ...shape] });
  },
  reference: ([x], _, { shape }) => {
    const added = shape.length - x.shape.length;
    const own = rowMajorStrides(x.shape);
    const strides = shape.map((_size, i) =>
      i < added || x.shape[i - added] === 1 ? 0 : (own[i - added] ?? 0),
    );
    return strided(x.data, shape, strides);
  },
  samples: () => [
    { inputs: [{ shape: [3], ...sampled }], params: { shape: [2, 3] } },
    { inputs: [{ shape: [1, 3], ...sampled }], params: { shape: [0, 3] } },
    { inputs: [{ shape: [2, 1, 3], ...sampled }], params: { shape: [2, 4, 3] } },
    { inputs: [{ shape: [], ...sampled }], params: { shape: [2, 2] } },
  ],
});

/** Reorders the axes: axis i of the result is axis `permutation[i]` of x. */
export const transpose: Op1<{ permutation: readonly number[] }> = op1("transpose", {
  dtypes: "any",
  abstract: ([x], { permutation }) => {
    const rank = x.shape.length;
    const valid =
      permutation.length === rank &&
      new Set(permutation).size === rank &&
      permutation.every((axis) => axis >= 0 && axis < rank);
    if (!valid) {
      throw new ShapeError(
        `transpose: expected each axis of ${formatShape(x.shape)} once; received [${permutation.join(", ")}].`,
      );
    }
    return { shape: permutation.map((axis) => x.shape[axis] ?? 0), dtype: x.dtype };
  },
  linear,
  transpose: (o, ct, _, { permutation }) => {
    const inverse = permutation.map((_axis, i) => permutation.indexOf(i));
    return o.transpose(ct, { permutation: inverse });
  },
  batch: (o, [x], _, { permutation }) => o.transpose(x, { permutation: shifted(permutation) }),
  reference: ([x], { permutation }, { shape }) => {
    const own = rowMajorStrides(x.shape);
    return strided(
      x.data,
      shape,
      permutation.map((axis) => own[axis] ?? 0),
    );
  },
  samples: () => [
    { inputs: [{ shape: [2, 3], ...sampled }], params: { permutation: [1, 0] } },
    { inputs: [{ shape: [0, 2], ...sampled }], params: { permutation: [1, 0] } },
    { inputs: [{ shape: [2, 3, 4], ...sampled }], params: { permutation: [1, 2, 0] } },
    { inputs: [{ shape: [2, 1, 3, 2], ...sampled }], params: { permutation: [0, 3, 2, 1] } },
  ],
});

/** Reverses the order of elements along the given axes. */
export const flip: Op1<{ axes: readonly number[] }> = op1("flip", {
  dtypes: "any",
  abstract: ([x], { axes }) => {
    if (axes.some((axis, i) => axis < 0 || axes.indexOf(axis) !== i)) {
      throw new ShapeError(`flip: expected axes from 0 up, each once; received [${axes.join(", ")}].`);
    }
    for (const axis of axes) normalizeAxis(axis, x.shape.length, "flip");
    return x;
  },
  linear,
  transpose: (o, ct, _, params) => o.flip(ct, params),
  batch: (o, [x], _, { axes }) => o.flip(x, { axes: axes.map((axis) => axis + 1) }),
  reference: ([x], { axes }, { shape }) => {
    const own = rowMajorStrides(shape);
    const offset = axes.reduce((sum, axis) => sum + (own[axis] ?? 0) * ((shape[axis] ?? 1) - 1), 0);
    return strided(
      x.data,
      shape,
      own.map((stride, i) => (axes.includes(i) ? -stride : stride)),
      offset,
    );
  },
  samples: () => [
    { inputs: [{ shape: [4], ...sampled }], params: { axes: [0] } },
    { inputs: [{ shape: [2, 0], ...sampled }], params: { axes: [0, 1] } },
    { inputs: [{ shape: [2, 3, 2], ...sampled }], params: { axes: [0, 2] } },
  ],
});
