/** Convolution and pooling of images [batch, height, width, channels], with the window options users write. */
import {
  addDims,
  type Dim,
  floorDivDim,
  formatAval,
  mulDims,
  type Shape,
  ShapeError,
  type Tensor,
  type TensorLike,
} from "../core/index.ts";
import {
  asTensor,
  avgPool2d as avgPool2dOp,
  conv2dInputGrad,
  conv2d as conv2dOp,
  maxPool2d as maxPool2dOp,
} from "../ops/index.ts";
import { type PaddingOption, type PairOption, pairOf } from "./window.ts";

/** Where windows lie. */
export interface WindowOptions {
  /** Steps between windows. Default 1 for convolutions, the window's size for pooling. */
  readonly strides?: PairOption;
  /** Default "valid". */
  readonly padding?: PaddingOption;
}

/** Options of `conv2d`. */
export interface Conv2dWindow extends WindowOptions {
  /** Distance between the taps of the kernel; default 1. */
  readonly dilation?: PairOption;
  /** Channels are split into this many groups that do not see each other; default 1. */
  readonly groups?: number;
}

/** Options of the pooling functions. */
export interface PoolWindow extends WindowOptions {
  /** Height and width of the window; default 2. */
  readonly window?: PairOption;
}

function samePadding(
  size: Dim,
  window: number,
  stride: number,
  dilation: number,
  where: string,
): [number, number] {
  const reach = dilation * (window - 1) + 1;
  if (typeof size === "symbol") {
    if (stride === 1) return [Math.floor((reach - 1) / 2), Math.ceil((reach - 1) / 2)];
    throw new ShapeError(
      `${where}: "same" padding with a stride needs a height and a width that are numbers.`,
    );
  }
  const positions = floorDivDim(addDims(size, stride - 1), stride) as number;
  const total = Math.max(0, (positions - 1) * stride + reach - size);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

function paddingOf(
  option: PaddingOption,
  images: Shape,
  window: readonly [Dim, Dim],
  strides: readonly [number, number],
  dilation: readonly [number, number],
  where: string,
): readonly [number, number, number, number] {
  if (option === "valid") return [0, 0, 0, 0];
  if (option !== "same") return option;
  const along = (axis: 0 | 1): [number, number] => {
    const size = window[axis];
    if (typeof size === "symbol")
      throw new ShapeError(`${where}: "same" padding needs a window of known size.`);
    return samePadding(images[axis + 1] ?? 0, size, strides[axis], dilation[axis], where);
  };
  return [...along(0), ...along(1)];
}

/**
 * Cross-correlation: images [batch, height, width, channels] with a kernel
 * [kernelHeight, kernelWidth, channels / groups, filters] → [batch, rows, columns, filters].
 * In float32 the native engine may compute 3 × 3 windows from tiles of 4 × 4 results (Winograd): an infinity or a NaN then
 * reaches all results of the tiles that read it. float64 is never computed so.
 * Throws ShapeError or ValueError when they do not fit.
 * @example
 * ng.conv2d(ng.ones([1, 5, 5, 1]), ng.ones([3, 3, 1, 2])).shape; // [1, 3, 3, 2]
 */
export function conv2d(images: TensorLike, kernel: TensorLike, options: Conv2dWindow = {}): Tensor {
  const x = asTensor(images, "conv2d");
  const w = asTensor(kernel, "conv2d", x.dtype);
  const strides = pairOf(options.strides ?? 1, "conv2d: strides");
  const dilation = pairOf(options.dilation ?? 1, "conv2d: dilation");
  const window = [w.shape[0] ?? 1, w.shape[1] ?? 1] as const;
  const padding = paddingOf(options.padding ?? "valid", x.shape, window, strides, dilation, "conv2d");
  return conv2dOp(x, w, { strides, padding, dilation, groups: options.groups ?? 1 });
}

/**
 * The transpose of `conv2d`, often called deconvolution: every pixel of the images [batch, height, width, channels] adds
 * its share of the kernel [kernelHeight, kernelWidth, filters / groups, channels] to a window of the result
 * [batch, rows, columns, filters]. `strides` lie between windows in the result, and `padding` is that of the convolution
 * from the result to the images: with "same" the result is `strides` times as large as they are, with "valid" it holds
 * all windows, and at least `strides` cells for each.
 * Throws ShapeError or ValueError when they do not fit.
 * @example
 * ng.conv2dTranspose(ng.ones([1, 5, 5, 1]), ng.ones([3, 3, 2, 1]), { strides: 2, padding: "same" }).shape; // [1, 10, 10, 2]
 */
export function conv2dTranspose(images: TensorLike, kernel: TensorLike, options: Conv2dWindow = {}): Tensor {
  const x = asTensor(images, "conv2dTranspose");
  const w = asTensor(kernel, "conv2dTranspose", x.dtype);
  if (x.rank !== 4 || w.rank !== 4 || x.shape[3] !== w.shape[3]) {
    throw new ShapeError(
      "conv2dTranspose: expected images [batch, height, width, channels] and a kernel [height, width, filters / groups, " +
        `channels] of as many channels; received ${formatAval(x)} and ${formatAval(w)}.`,
    );
  }
  const strides = pairOf(options.strides ?? 1, "conv2dTranspose: strides");
  const dilation = pairOf(options.dilation ?? 1, "conv2dTranspose: dilation");
  const { padding: option = "valid", groups = 1 } = options;
  const along = (axis: 0 | 1): { readonly cells: Dim; readonly padding: readonly [number, number] } => {
    const stride = strides[axis];
    const reach = dilation[axis] * (Number(w.shape[axis] ?? 1) - 1) + 1;
    const size = x.shape[axis + 1] ?? 0;
    const overlap = Math.max(0, reach - stride);
    if (option === "valid") return { cells: addDims(mulDims(size, stride), overlap), padding: [0, 0] };
    if (option === "same")
      return { cells: mulDims(size, stride), padding: [Math.floor(overlap / 2), Math.ceil(overlap / 2)] };
    const [before, after] = axis === 0 ? [option[0], option[1]] : [option[2], option[3]];
    const cells = addDims(mulDims(addDims(size, -1), stride), reach - before - after);
    return { cells, padding: [before, after] };
  };
  const [rows, columns] = [along(0), along(1)];
  return conv2dInputGrad(x, w, {
    strides,
    padding: [...rows.padding, ...columns.padding],
    dilation,
    groups,
    inputShape: [x.shape[0] ?? 0, rows.cells, columns.cells, mulDims(w.shape[2] ?? 0, groups)],
  });
}

function poolWindow(x: Tensor, options: PoolWindow, where: string) {
  const window = pairOf(options.window ?? 2, `${where}: window`);
  const strides = pairOf(options.strides ?? window, `${where}: strides`);
  const padding = paddingOf(options.padding ?? "valid", x.shape, window, strides, [1, 1], where);
  return { window, strides, padding };
}

/**
 * The largest element of each window of images [batch, height, width, channels]; padding never wins.
 * The derivative goes to the first of equal elements.
 * @example
 * ng.maxPool2d(ng.ones([1, 4, 4, 3])).shape; // [1, 2, 2, 3]
 */
export function maxPool2d(images: TensorLike, options: PoolWindow = {}): Tensor {
  const x = asTensor(images, "maxPool2d");
  return maxPool2dOp(x, poolWindow(x, options, "maxPool2d"));
}

/**
 * The mean of each window of images [batch, height, width, channels]. Padding is not counted unless `countPadding`.
 * @example
 * ng.avgPool2d(ng.ones([1, 4, 4, 3])).shape; // [1, 2, 2, 3]
 */
export function avgPool2d(
  images: TensorLike,
  options: PoolWindow & { readonly countPadding?: boolean } = {},
): Tensor {
  const x = asTensor(images, "avgPool2d");
  return avgPool2dOp(x, {
    ...poolWindow(x, options, "avgPool2d"),
    countPadding: options.countPadding ?? false,
  });
}
