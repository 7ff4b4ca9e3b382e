/**
 * Two-dimensional convolution (cross-correlation, as everywhere in machine learning) and its two gradients. All three
 * read one trilinear form Σ ct·x·w in turn for ct, x and w, so that each is a transpose of the others.
 */
import {
  type Aval,
  concreteSize,
  type Dim,
  DTypeError,
  formatAval,
  formatDim,
  formatShape,
  mulDims,
  type Shape,
  ShapeError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";
import { broadcastMapped, type Op2, op2 } from "./define/index.ts";
import {
  checkGeometry,
  checkImages,
  eachWindowCell,
  type Padding,
  type Pair,
  type WindowGeometry,
  windowedShape,
} from "./window.ts";

type Family = typeof import("./convolution.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** Strides between windows, padding with zeros, dilation between filter cells, and groups of channels. */
type ConvolutionParams = { strides: Pair; padding: Padding; dilation: Pair; groups: number };

function geometryOf(filter: Shape, { strides, padding, dilation }: ConvolutionParams): WindowGeometry {
  const [height, width] = filter;
  return { size: [Number(height), Number(width)], strides, padding, dilation };
}

/** The shape of x ∗ w; throws when x, w and the parameters do not fit together. */
function convolvedShape(x: Shape, w: Shape, params: ConvolutionParams, name: string): Shape {
  checkImages(x, name);
  const [height, width, taken, filters] = w;
  if (
    w.length !== 4 ||
    typeof height !== "number" ||
    typeof width !== "number" ||
    taken === undefined ||
    filters === undefined
  ) {
    throw new ShapeError(
      `${name}: expected a filter of shape [height, width, channels in / groups, channels out]; received ${formatShape(w)}.`,
    );
  }
  const { groups } = params;
  if (!Number.isSafeInteger(groups) || groups < 1) {
    throw new ShapeError(`${name}: expected groups as a whole number from 1 up; received ${groups}.`);
  }
  const channels = x[3] ?? 0;
  if (channels !== mulDims(taken, groups)) {
    throw new ShapeError(
      `${name}: the filter ${formatShape(w)} with ${groups} group${groups === 1 ? "" : "s"} takes ` +
        `${formatDim(mulDims(taken, groups))} channels; the images ${formatShape(x)} have ${formatDim(channels)}. ` +
        `Images are [batch, height, width, channels].`,
    );
  }
  if (typeof filters === "number" && filters % groups !== 0) {
    throw new ShapeError(
      `${name}: ${filters} channels out do not divide into ${groups} groups; the filter is ${formatShape(w)}.`,
    );
  }
  const geometry = geometryOf(w, params);
  checkGeometry(geometry, name);
  return windowedShape(x, filters, geometry, name);
}

function checkSameDType(a: Aval, b: Aval, name: string): void {
  if (a.dtype === b.dtype) return;
  throw new DTypeError(
    `${name}: expected equal dtypes; received ${formatAval(a)} and ${formatAval(b)}. Convert one with .astype(…).`,
  );
}

function checkConvolved(ct: Shape, x: Shape, w: Shape, params: ConvolutionParams, name: string): void {
  const expected = convolvedShape(x, w, params, name);
  if (sameShape(expected, ct)) return;
  throw new ShapeError(
    `${name}: images ${formatShape(x)} and a filter ${formatShape(w)} make ${formatShape(expected)}; received a cotangent of ${formatShape(ct)}.`,
  );
}

/** Calls `visit` with the positions in x, w and x ∗ w of every product of the trilinear form. */
function eachProduct(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  params: ConvolutionParams,
  visit: (x: number, w: number, y: number) => void,
): void {
  const [batch = 0, height = 0, width = 0, channels = 0] = x;
  const [, , taken = 0, filters = 0] = w;
  const [, rows = 0, columns = 0] = y;
  const filtersPerGroup = filters / params.groups;
  for (let image = 0; image < batch; image++) {
    eachWindowCell(x, y, geometryOf(w, params), (window, cell, pixel) => {
      for (let filter = 0; filter < filters; filter++) {
        const firstChannel = Math.floor(filter / filtersPerGroup) * taken;
        for (let channel = 0; channel < taken; channel++) {
          visit(
            (image * height * width + pixel) * channels + firstChannel + channel,
            (cell * taken + channel) * filters + filter,
            (image * rows * columns + window) * filters + filter,
          );
        }
      }
    });
  }
}

/** A multiplication and an addition for each filter cell of each element of x ∗ w; those in the padding count. */
function convolutionCost(w: Shape, y: Shape): { flops: number } {
  return { flops: 2 * concreteSize(w.slice(0, 3)) * concreteSize(y) };
}

const zeros = (shape: readonly number[]): number[] =>
  new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0);

/** [size, batch, …] → [size·batch, …]: for operations that treat the images of a batch alike. */
function mergeImages(o: OpBuilder, x: Tensor): Tensor {
  const [size = 1, batch = 1, ...rest] = x.shape;
  return o.reshape(x, { shape: [mulDims(size, batch), ...rest] });
}

function splitImages(o: OpBuilder, x: Tensor, size: Dim, batch: Dim): Tensor {
  return o.reshape(x, { shape: [size, batch, ...x.shape.slice(1)] });
}

/** [size, a, b, c, channels] → [a, b, c, size·channels]: the mapped axis becomes groups of channels. */
function foldChannels(o: OpBuilder, x: Tensor): Tensor {
  const [size = 1, a = 1, b = 1, c = 1, channels = 1] = x.shape;
  return o.reshape(o.transpose(x, { permutation: [1, 2, 3, 0, 4] }), {
    shape: [a, b, c, mulDims(size, channels)],
  });
}

function unfoldChannels(o: OpBuilder, x: Tensor, size: Dim, channels: Dim): Tensor {
  const split = o.reshape(x, { shape: [...x.shape.slice(0, 3), size, channels] });
  return o.transpose(split, { permutation: [3, 0, 1, 2, 4] });
}

/** `size` independent convolutions as one with `size` times as many groups. */
function moreGroups<P extends ConvolutionParams>(params: P, size: Dim, name: string): P {
  if (typeof size === "number") return { ...params, groups: params.groups * size };
  throw new ShapeError(
    `${name}: vmap over filters makes groups of channels, whose number must be known; received the size ${formatDim(size)}.`,
  );
}

const image = (...shape: number[]) => ({ shape, low: -1, high: 1 });

/** Operand shapes and parameters, each at work in some case: [x, w, x ∗ w, params]. */
const cases: readonly (readonly [
  readonly number[],
  readonly number[],
  readonly number[],
  ConvolutionParams,
])[] = [
  [
    [2, 4, 5, 2],
    [3, 2, 2, 3],
    [2, 2, 4, 3],
    { strides: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
  ],
  [
    [1, 5, 4, 1],
    [2, 3, 1, 2],
    [1, 3, 2, 2],
    { strides: [2, 3], padding: [1, 0, 2, 1], dilation: [1, 1], groups: 1 },
  ],
  [
    [1, 5, 6, 1],
    [2, 2, 1, 1],
    [1, 4, 2, 1],
    { strides: [1, 2], padding: [0, 1, 1, 0], dilation: [2, 3], groups: 1 },
  ],
  [
    [1, 3, 3, 4],
    [2, 2, 2, 4],
    [1, 2, 2, 4],
    { strides: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 2 },
  ],
  [
    [1, 3, 3, 3],
    [2, 2, 1, 6],
    [1, 4, 2, 6],
    { strides: [1, 1], padding: [1, 1, 0, 0], dilation: [1, 1], groups: 3 },
  ],
  [
    [2, 5, 5, 4],
    [2, 3, 2, 2],
    [2, 3, 2, 2],
    { strides: [2, 1], padding: [1, 0, 0, 1], dilation: [1, 2], groups: 2 },
  ],
  [
    [0, 3, 3, 1],
    [2, 2, 1, 2],
    [0, 2, 2, 2],
    { strides: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
  ],
];

/**
 * Convolution of images with filters: x [batch, height, width, in], w [height, width, in / groups, out] →
 * y[b, i, j, f] = Σ x[b, i·strideH − top + k·dilationH, j·strideW − left + l·dilationW, c] · w[k, l, c, f], zeros outside.
 */
export const conv2d: Op2<ConvolutionParams> = op2("conv2d", {
  dtypes: "float",
  abstract: ([x, w], params) => {
    checkSameDType(x, w, "conv2d");
    return { shape: convolvedShape(x.shape, w.shape, params, "conv2d"), dtype: x.dtype };
  },
  linear: { kind: "each", operands: [0, 1] },
  transpose: (o, ct, [x, w], params, operand, index) =>
    index === 0
      ? o.conv2dInputGrad(ct, w, { ...params, inputShape: operand.shape })
      : o.conv2dFilterGrad(x, ct, { ...params, filterShape: operand.shape }),
  batch: (o, [x, w], [xMapped, wMapped], params, size) => {
    if (!wMapped) return splitImages(o, o.conv2d(mergeImages(o, x), w, params), size, x.shape[1] ?? 0);
    const filters = w.shape[4] ?? 0;
    // Images that all filters share need no copies: the filters just become more of them.
    const shared = !xMapped && params.groups === 1;
    const images = shared ? x : foldChannels(o, broadcastMapped(o, x, xMapped, size));
    const y = o.conv2d(images, foldChannels(o, w), shared ? params : moreGroups(params, size, "conv2d"));
    return unfoldChannels(o, y, size, filters);
  },
  reference: ([x, w], params, { shape }) => {
    const y = zeros(shape);
    eachProduct(x.shape, w.shape, shape, params, (i, j, k) => {
      y[k] = (y[k] ?? 0) + Number(x.data[i]) * Number(w.data[j]);
    });
    return y;
  },
  cost: ([, w], _, y) => convolutionCost(w.shape, y.shape),
  samples: () => cases.map(([x, w, , params]) => ({ inputs: [image(...x), image(...w)], params })),
});

/** The transpose of `conv2d` in x: from a cotangent and w to images of `inputShape`. */
export const conv2dInputGrad: Op2<ConvolutionParams & { inputShape: Shape }> = op2("conv2dInputGrad", {
  dtypes: "float",
  abstract: ([ct, w], params) => {
    checkSameDType(ct, w, "conv2dInputGrad");
    checkConvolved(ct.shape, params.inputShape, w.shape, params, "conv2dInputGrad");
    return { shape: params.inputShape, dtype: ct.dtype };
  },
  linear: { kind: "each", operands: [0, 1] },
  transpose: (o, dx, [ct, w], { inputShape: _, ...params }, operand, index) =>
    index === 0
      ? o.conv2d(dx, w, params)
      : o.conv2dFilterGrad(dx, ct, { ...params, filterShape: operand.shape }),
  batch: (o, [ct, w], [ctMapped, wMapped], params, size) => {
    const [batch = 0, height = 0, width = 0, channels = 0] = params.inputShape;
    if (!wMapped) {
      const inputShape = [mulDims(size, batch), height, width, channels];
      return splitImages(o, o.conv2dInputGrad(mergeImages(o, ct), w, { ...params, inputShape }), size, batch);
    }
    const cotangents = foldChannels(o, broadcastMapped(o, ct, ctMapped, size));
    const inputShape = [batch, height, width, mulDims(size, channels)];
    const dx = o.conv2dInputGrad(cotangents, foldChannels(o, w), {
      ...moreGroups(params, size, "conv2dInputGrad"),
      inputShape,
    });
    return unfoldChannels(o, dx, size, channels);
  },
  reference: ([ct, w], params, { shape }) => {
    const dx = zeros(shape);
    eachProduct(shape, w.shape, ct.shape, params, (i, j, k) => {
      dx[i] = (dx[i] ?? 0) + Number(ct.data[k]) * Number(w.data[j]);
    });
    return dx;
  },
  cost: ([ct, w]) => convolutionCost(w.shape, ct.shape),
  samples: () =>
    cases.map(([x, w, y, params]) => ({
      inputs: [image(...y), image(...w)],
      params: { ...params, inputShape: x },
    })),
});

/** The transpose of `conv2d` in w: from x and a cotangent to a filter of `filterShape`. */
export const conv2dFilterGrad: Op2<ConvolutionParams & { filterShape: Shape }> = op2("conv2dFilterGrad", {
  dtypes: "float",
  abstract: ([x, ct], params) => {
    checkSameDType(x, ct, "conv2dFilterGrad");
    checkConvolved(ct.shape, x.shape, params.filterShape, params, "conv2dFilterGrad");
    return { shape: params.filterShape, dtype: x.dtype };
  },
  linear: { kind: "each", operands: [0, 1] },
  transpose: (o, dw, [x, ct], { filterShape: _, ...params }, operand, index) =>
    index === 0
      ? o.conv2dInputGrad(ct, dw, { ...params, inputShape: operand.shape })
      : o.conv2d(x, dw, params),
  batch: (o, [x, ct], [xMapped, ctMapped], params, size) => {
    const [height = 0, width = 0, taken = 0, filters = 0] = params.filterShape;
    const shared = !xMapped && params.groups === 1;
    const images = shared ? x : foldChannels(o, broadcastMapped(o, x, xMapped, size));
    const cotangents = foldChannels(o, broadcastMapped(o, ct, ctMapped, size));
    const filterShape = [height, width, taken, mulDims(size, filters)];
    const grouped = shared ? params : moreGroups(params, size, "conv2dFilterGrad");
    return unfoldChannels(
      o,
      o.conv2dFilterGrad(images, cotangents, { ...grouped, filterShape }),
      size,
      filters,
    );
  },
  reference: ([x, ct], params, { shape }) => {
    const dw = zeros(shape);
    eachProduct(x.shape, shape, ct.shape, params, (i, j, k) => {
      dw[j] = (dw[j] ?? 0) + Number(x.data[i]) * Number(ct.data[k]);
    });
    return dw;
  },
  cost: ([, ct], _, dw) => convolutionCost(dw.shape, ct.shape),
  samples: () =>
    cases.map(([x, w, y, params]) => ({
      inputs: [image(...x), image(...y)],
      params: { ...params, filterShape: w },
    })),
});
