/** Maximum and average over windows of images [batch, height, width, channels], with their tangents and transposes. */
import {
  type Aval,
  formatAval,
  formatShape,
  mulDims,
  type Shape,
  ShapeError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder, ReferenceArray } from "../trace/index.ts";
import { broadcastMapped, type Op1, type Op2, op1, op2 } from "./define/index.ts";
import {
  checkGeometry,
  checkImages,
  eachWindowCell,
  type Padding,
  type Pair,
  type WindowGeometry,
  windowedShape,
} from "./window.ts";

type Family = typeof import("./pooling.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** Window sizes, strides between windows, and the cells around the image that windows may cover. */
type PoolParams = { window: Pair; strides: Pair; padding: Padding };
/** `countPadding`: whether cells outside the image count in the divisor. */
type AverageParams = PoolParams & { countPadding: boolean };

function geometryOf({ window, strides, padding }: PoolParams): WindowGeometry {
  return { size: window, strides, padding, dilation: [1, 1] };
}

function pooledShape(x: Shape, params: PoolParams, name: string): Shape {
  checkImages(x, name);
  const geometry = geometryOf(params);
  checkGeometry(geometry, name);
  return windowedShape(x, x[3] ?? 0, geometry, name);
}

function checkPooled(ct: Shape, x: Shape, params: PoolParams, name: string): void {
  const expected = pooledShape(x, params, name);
  if (sameShape(expected, ct)) return;
  throw new ShapeError(
    `${name}: images ${formatShape(x)} pool to ${formatShape(expected)}; received a cotangent of ${formatShape(ct)}.`,
  );
}

/** Applies `pool` to the images of all examples as to one batch. */
function asOneBatch<T extends readonly Tensor[]>(o: OpBuilder, xs: T, pool: (merged: T) => Tensor): Tensor {
  const [size = 1, batch = 1] = xs[0]?.shape ?? [];
  const merged = xs.map((x) => o.reshape(x, { shape: [mulDims(size, batch), ...x.shape.slice(2)] }));
  const result = pool(merged as readonly Tensor[] as T);
  return o.reshape(result, { shape: [size, batch, ...result.shape.slice(1)] });
}

/** For every window, the positions in x of its cells inside the image, in row-major order; channel by channel. */
function windowPositions(x: readonly number[], y: readonly number[], params: PoolParams): number[][] {
  const [batch = 0, height = 0, width = 0, channels = 0] = x;
  const [, rows = 0, columns = 0] = y;
  const positions = Array.from({ length: batch * rows * columns * channels }, (): number[] => []);
  for (let image = 0; image < batch; image++) {
    eachWindowCell(x, y, geometryOf(params), (window, _cell, pixel) => {
      for (let channel = 0; channel < channels; channel++) {
        const at = (image * rows * columns + window) * channels + channel;
        positions[at]?.push((image * height * width + pixel) * channels + channel);
      }
    });
  }
  return positions;
}

/** The position of the maximum: the first in row-major order, the first NaN if there is one; undefined outside the image. */
function positionOfMaximum(
  data: ArrayLike<number | bigint>,
  positions: readonly number[],
): number | undefined {
  const nan = positions.find((at) => Number.isNaN(data[at]));
  if (nan !== undefined) return nan;
  const [first, ...others] = positions;
  return others.reduce<number | undefined>(
    (best, at) => (Number(data[at]) > Number(data[best ?? at]) ? at : best),
    first,
  );
}

function maxima(x: ReferenceArray, y: readonly number[], params: PoolParams): (number | undefined)[] {
  return windowPositions(x.shape, y, params).map((positions) => positionOfMaximum(x.data, positions));
}

const plain: PoolParams = { window: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] };
const overlapping: PoolParams = { window: [3, 2], strides: [1, 2], padding: [1, 0, 0, 1] };
const gapped: PoolParams = { window: [1, 2], strides: [2, 3], padding: [0, 1, 1, 0] };

/** Images, their pooled shape and parameters, each at work in some case. */
const cases: readonly (readonly [readonly number[], readonly number[], PoolParams])[] = [
  [[2, 4, 5, 2], [2, 2, 2, 2], plain],
  [[1, 4, 4, 1], [1, 3, 2, 1], overlapping],
  [[1, 3, 6, 2], [1, 2, 2, 2], gapped],
  [[0, 4, 4, 1], [0, 2, 2, 1], plain],
];
const image = (shape: readonly number[]) => ({ shape, low: -2, high: 2 });
const distinctImage = (shape: readonly number[]) => ({ ...image(shape), distinct: true });

/** The maximum of each window; NaN when it holds one. Cells outside the image never win; a window of only those gives −∞. */
export const maxPool2d: Op1<PoolParams> = op1("maxPool2d", {
  dtypes: "float",
  abstract: ([x], params) => ({ shape: pooledShape(x.shape, params, "maxPool2d"), dtype: x.dtype }),
  jvp: (o, [x], [dx], params) => o.maxPool2dSelect(dx, x, params),
  batch: (o, xs, _, params) => asOneBatch(o, xs, ([x]) => o.maxPool2d(x, params)),
  reference: ([x], params, { shape }) =>
    maxima(x, shape, params).map((at) => (at === undefined ? Number.NEGATIVE_INFINITY : (x.data[at] ?? 0))),
  samples: () => cases.map(([x, , params]) => ({ inputs: [distinctImage(x)], params })),
});

function checkAlike(a: Aval, b: Aval, sameShapes: boolean, name: string): void {
  if (a.dtype === b.dtype && (!sameShapes || sameShape(a.shape, b.shape))) return;
  throw new ShapeError(`${name}: expected operands alike; received ${formatAval(a)} and ${formatAval(b)}.`);
}

/**
 * The tangent of `maxPool2d` at x: for each window the element of dx where x has its maximum (the first in row-major
 * order, the first NaN if there is one); 0 for a window outside the image.
 */
export const maxPool2dSelect: Op2<PoolParams> = op2("maxPool2dSelect", {
  dtypes: "float",
  abstract: ([dx, x], params) => {
    checkAlike(dx, x, true, "maxPool2dSelect");
    return { shape: pooledShape(x.shape, params, "maxPool2dSelect"), dtype: x.dtype };
  },
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct, [, x], params) => o.maxPool2dScatter(ct, x, params),
  batch: (o, [dx, x], [dxMapped, xMapped], params, size) => {
    const operands = [broadcastMapped(o, dx, dxMapped, size), broadcastMapped(o, x, xMapped, size)] as const;
    return asOneBatch(o, operands, ([a, b]) => o.maxPool2dSelect(a, b, params));
  },
  reference: ([dx, x], params, { shape }) =>
    maxima(x, shape, params).map((at) => (at === undefined ? 0 : (dx.data[at] ?? 0))),
  samples: () => cases.map(([x, , params]) => ({ inputs: [image(x), distinctImage(x)], params })),
});

/** The transpose of `maxPool2dSelect`: adds each cotangent where x has the maximum of that window. */
export const maxPool2dScatter: Op2<PoolParams> = op2("maxPool2dScatter", {
  dtypes: "float",
  abstract: ([ct, x], params) => {
    checkAlike(ct, x, false, "maxPool2dScatter");
    checkPooled(ct.shape, x.shape, params, "maxPool2dScatter");
    return { shape: x.shape, dtype: x.dtype };
  },
  linear: { kind: "joint", operands: [0] },
  transpose: (o, dx, [, x], params) => o.maxPool2dSelect(dx, x, params),
  batch: (o, [ct, x], [ctMapped, xMapped], params, size) => {
    const operands = [broadcastMapped(o, ct, ctMapped, size), broadcastMapped(o, x, xMapped, size)] as const;
    return asOneBatch(o, operands, ([a, b]) => o.maxPool2dScatter(a, b, params));
  },
  reference: ([ct, x], params) => {
    const dx = new Array<number>(x.data.length).fill(0);
    maxima(x, ct.shape, params).forEach((at, window) => {
      if (at !== undefined) dx[at] = (dx[at] ?? 0) + Number(ct.data[window]);
    });
    return dx;
  },
  samples: () => cases.map(([x, y, params]) => ({ inputs: [image(y), distinctImage(x)], params })),
});

/** 1 / the number of cells that an average divides by. */
function weight(positions: readonly number[], { window, countPadding }: AverageParams): number {
  const cells = countPadding ? window[0] * window[1] : positions.length;
  return cells === 0 ? 0 : 1 / cells;
}

const averageCases = cases.flatMap(([x, y, params]) =>
  [true, false].map((countPadding) => ({ x, y, params: { ...params, countPadding } })),
);

/** The average of each window, over all its cells or over those inside the image; 0 for a window outside the image. */
export const avgPool2d: Op1<AverageParams> = op1("avgPool2d", {
  dtypes: "float",
  abstract: ([x], params) => ({ shape: pooledShape(x.shape, params, "avgPool2d"), dtype: x.dtype }),
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct, _, params, operand) => o.avgPool2dGrad(ct, { ...params, inputShape: operand.shape }),
  batch: (o, xs, _, params) => asOneBatch(o, xs, ([x]) => o.avgPool2d(x, params)),
  reference: ([x], params, { shape }) =>
    windowPositions(x.shape, shape, params).map(
      (positions) => positions.reduce((sum, at) => sum + Number(x.data[at]), 0) * weight(positions, params),
    ),
  samples: () => averageCases.map(({ x, params }) => ({ inputs: [image(x)], params })),
});

/** The transpose of `avgPool2d`: spreads each cotangent over the cells of its window, in images of `inputShape`. */
export const avgPool2dGrad: Op1<AverageParams & { inputShape: Shape }> = op1("avgPool2dGrad", {
  dtypes: "float",
  abstract: ([ct], params) => {
    checkPooled(ct.shape, params.inputShape, params, "avgPool2dGrad");
    return { shape: params.inputShape, dtype: ct.dtype };
  },
  linear: { kind: "joint", operands: [0] },
  transpose: (o, dx, _, { inputShape: _shape, ...params }) => o.avgPool2d(dx, params),
  batch: (o, cts, _, params, size) => {
    const [batch = 0, ...rest] = params.inputShape;
    const inputShape = [mulDims(size, batch), ...rest];
    return asOneBatch(o, cts, ([ct]) => o.avgPool2dGrad(ct, { ...params, inputShape }));
  },
  reference: ([ct], params, { shape }) => {
    const dx = new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0);
    windowPositions(shape, ct.shape, params).forEach((positions, window) => {
      const share = Number(ct.data[window]) * weight(positions, params);
      for (const at of positions) dx[at] = (dx[at] ?? 0) + share;
    });
    return dx;
  },
  samples: () =>
    averageCases.map(({ x, y, params }) => ({ inputs: [image(y)], params: { ...params, inputShape: x } })),
});
