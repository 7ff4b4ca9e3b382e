/** Convolutional layers. */

import { conv2d as convolve, type PaddingOption, type PairOption, pairOf } from "../array/index.ts";
import { checkCount, formatAval, ShapeError, type Tensor, ValueError } from "../core/index.ts";
import { WeightedLayer, type WeightOptions } from "./weighted.ts";
import { type LayerWindow, layerWindow } from "./window.ts";

/** Options of a two-dimensional convolution. */
export interface Conv2dOptions extends WeightOptions {
  /** Number of output channels. */
  readonly filters: number;
  /** Height and width of the window, one number for both. */
  readonly kernelSize: PairOption;
  /** Steps between windows; default 1. */
  readonly strides?: PairOption;
  /** "valid" (default): no padding; "same": the output has ⌈input / stride⌉ positions. */
  readonly padding?: PaddingOption;
  /** Distance between the window's taps; default 1. */
  readonly dilation?: PairOption;
  /** Channels are split into this many groups that do not see each other; default 1. */
  readonly groups?: number;
}

/**
 * Cross-correlation of images [batch, height, width, channels] with a kernel
 * [kernelHeight, kernelWidth, channels / groups, filters], plus a bias [filters], then the activation.
 * Throws ValueError for impossible options, ShapeError for inputs that are no such images or have other channels than
 * the layer was built for.
 * @example
 * nn.conv2d({ filters: 8, kernelSize: 3 }).call(ng.ones([1, 28, 28, 1])).shape; // [1, 26, 26, 8]
 */
export class Conv2d extends WeightedLayer {
  readonly filters: number;
  readonly kernelSize: readonly [number, number];
  readonly window: LayerWindow;
  readonly dilation: readonly [number, number];
  readonly groups: number;

  constructor(options: Conv2dOptions) {
    super(options);
    const { filters, kernelSize, strides = 1, padding = "valid", dilation = 1, groups = 1 } = options;
    this.filters = checkCount(filters, 1, "Conv2d: filters");
    this.groups = checkCount(groups, 1, "Conv2d: groups");
    if (filters % groups !== 0) {
      throw new ValueError(
        `Conv2d: expected filters to be a multiple of groups; received ${filters} and ${groups}.`,
      );
    }
    this.kernelSize = pairOf(kernelSize, "Conv2d: kernelSize");
    this.window = layerWindow(strides, padding, "Conv2d");
    this.dilation = pairOf(dilation, "Conv2d: dilation");
  }

  override build(x: Tensor): void {
    const channels = x.shape[3];
    if (x.rank !== 4 || typeof channels !== "number" || channels % this.groups !== 0) {
      const multiple = this.groups > 1 ? `, channels a multiple of ${this.groups} groups` : "";
      throw new ShapeError(
        `Conv2d: expected images [batch, height, width, channels]${multiple}; received ${formatAval(x)}.`,
      );
    }
    this.makeWeights([...this.kernelSize, channels / this.groups, this.filters]);
  }

  override forward(x: Tensor): Tensor {
    const kernel = this.builtKernel();
    const channels = Number(kernel.shape[2]) * this.groups;
    if (x.rank !== 4 || x.shape[3] !== channels) {
      throw new ShapeError(
        `Conv2d: expected images [batch, height, width, ${channels}], as the layer was built for; received ${formatAval(x)}.`,
      );
    }
    const { dilation, groups } = this;
    return this.finish(convolve(x, kernel, { ...this.window, dilation, groups }));
  }
}

/** A new `Conv2d` layer. */
export function conv2d(options: Conv2dOptions): Conv2d {
  return new Conv2d(options);
}
