/** Convolution of every channel on its own. */

import { conv2d as convolve, type PaddingOption, type PairOption, pairOf, reshape } from "../array/index.ts";
import { checkCount, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import { WeightedLayer, type WeightOptions } from "./weighted.ts";
import { type LayerWindow, layerWindow } from "./window.ts";

/** Options of a two-dimensional depthwise convolution. */
export interface DepthwiseConv2dOptions extends WeightOptions {
  /** Height and width of the window, one number for both. */
  readonly kernelSize: PairOption;
  /** Filters of each channel; default 1. */
  readonly depthMultiplier?: number;
  /** Steps between windows; default 1. */
  readonly strides?: PairOption;
  /** "valid" (default): no padding; "same": the output has ⌈input / stride⌉ positions. */
  readonly padding?: PaddingOption;
  /** Distance between the window's taps; default 1. */
  readonly dilation?: PairOption;
}

/**
 * Cross-correlation of each channel of images [batch, height, width, channels] with filters of its own, plus a bias, then
 * the activation. The kernel is [kernelHeight, kernelWidth, channels, depthMultiplier]; filter m of channel c makes
 * channel c·depthMultiplier + m of the output.
 * Throws ValueError for impossible options, ShapeError for inputs that are no such images or have other channels than
 * the layer was built for.
 * @example
 * nn.depthwiseConv2d({ kernelSize: 3, padding: "same" }).call(ng.ones([1, 28, 28, 8])).shape; // [1, 28, 28, 8]
 */
export class DepthwiseConv2d extends WeightedLayer {
  readonly kernelSize: readonly [number, number];
  readonly depthMultiplier: number;
  readonly window: LayerWindow;
  readonly dilation: readonly [number, number];

  constructor(options: DepthwiseConv2dOptions) {
    super(options);
    const { kernelSize, depthMultiplier = 1, strides = 1, padding = "valid", dilation = 1 } = options;
    this.kernelSize = pairOf(kernelSize, "DepthwiseConv2d: kernelSize");
    this.depthMultiplier = checkCount(depthMultiplier, 1, "DepthwiseConv2d: depthMultiplier");
    this.window = layerWindow(strides, padding, "DepthwiseConv2d");
    this.dilation = pairOf(dilation, "DepthwiseConv2d: dilation");
  }

  override build(x: Tensor): void {
    const channels = x.shape[3];
    if (x.rank !== 4 || typeof channels !== "number") {
      throw new ShapeError(
        `DepthwiseConv2d: expected images [batch, height, width, channels] with a known number of channels; ` +
          `received ${formatAval(x)}.`,
      );
    }
    this.makeWeights([...this.kernelSize, channels, this.depthMultiplier], channels * this.depthMultiplier);
  }

  override forward(x: Tensor): Tensor {
    const kernel = this.builtKernel();
    const [height = 1, width = 1, channels = 1, multiplier = 1] = kernel.shape.map(Number);
    if (x.rank !== 4 || x.shape[3] !== channels) {
      throw new ShapeError(
        `DepthwiseConv2d: expected images [batch, height, width, ${channels}], as the layer was built for; ` +
          `received ${formatAval(x)}.`,
      );
    }
    const filters = reshape(kernel, [height, width, 1, channels * multiplier]);
    return this.finish(convolve(x, filters, { ...this.window, dilation: this.dilation, groups: channels }));
  }
}

/** A new `DepthwiseConv2d` layer. */
export function depthwiseConv2d(options: DepthwiseConv2dOptions): DepthwiseConv2d {
  return new DepthwiseConv2d(options);
}
