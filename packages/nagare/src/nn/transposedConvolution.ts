/** The convolution that enlarges images. */

import { conv2dTranspose as convolve, type PaddingOption, type PairOption, pairOf } from "../array/index.ts";
import { checkCount, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import { WeightedLayer, type WeightOptions } from "./weighted.ts";
import { type LayerWindow, layerWindow } from "./window.ts";

/** Options of a two-dimensional transposed convolution. */
export interface Conv2dTransposeOptions extends WeightOptions {
  /** Number of output channels. */
  readonly filters: number;
  /** Height and width of the window, one number for both. */
  readonly kernelSize: PairOption;
  /** Steps between windows in the output; default 1. */
  readonly strides?: PairOption;
  /** The padding of the convolution that this one transposes. "valid" (default): the output holds all windows; "same": it is `strides` times as large as the input. */
  readonly padding?: PaddingOption;
  /** Distance between the window's taps; default 1. */
  readonly dilation?: PairOption;
}

/**
 * The transpose of a convolution, often called deconvolution: every pixel of images [batch, height, width, channels]
 * adds its share of the kernel [kernelHeight, kernelWidth, filters, channels] to a window of the output; then come a
 * bias [filters] and the activation.
 * Throws ValueError for impossible options, ShapeError for inputs that are no such images or have other channels than
 * the layer was built for.
 * @example
 * nn.conv2dTranspose({ filters: 8, kernelSize: 3, strides: 2, padding: "same" }).call(ng.ones([1, 7, 7, 4])).shape; // [1, 14, 14, 8]
 */
export class Conv2dTranspose extends WeightedLayer {
  readonly filters: number;
  readonly kernelSize: readonly [number, number];
  readonly window: LayerWindow;
  readonly dilation: readonly [number, number];

  constructor(options: Conv2dTransposeOptions) {
    super(options);
    const { filters, kernelSize, strides = 1, padding = "valid", dilation = 1 } = options;
    this.filters = checkCount(filters, 1, "Conv2dTranspose: filters");
    this.kernelSize = pairOf(kernelSize, "Conv2dTranspose: kernelSize");
    this.window = layerWindow(strides, padding, "Conv2dTranspose");
    this.dilation = pairOf(dilation, "Conv2dTranspose: dilation");
  }

  override build(x: Tensor): void {
    const channels = x.shape[3];
    if (x.rank !== 4 || typeof channels !== "number") {
      throw new ShapeError(
        `Conv2dTranspose: expected images [batch, height, width, channels] with a known number of channels; ` +
          `received ${formatAval(x)}.`,
      );
    }
    this.makeWeights([...this.kernelSize, this.filters, channels], this.filters);
  }

  override forward(x: Tensor): Tensor {
    const kernel = this.builtKernel();
    const channels = Number(kernel.shape[3]);
    if (x.rank !== 4 || x.shape[3] !== channels) {
      throw new ShapeError(
        `Conv2dTranspose: expected images [batch, height, width, ${channels}], as the layer was built for; ` +
          `received ${formatAval(x)}.`,
      );
    }
    return this.finish(convolve(x, kernel, { ...this.window, dilation: this.dilation }));
  }
}

/** A new `Conv2dTranspose` layer. */
export function conv2dTranspose(options: Conv2dTransposeOptions): Conv2dTranspose {
  return new Conv2dTranspose(options);
}
