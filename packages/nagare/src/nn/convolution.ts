/** Convolutional layers. */

import { add, conv2d as convolve, type PaddingOption, type PairOption, pairOf } from "../array/index.ts";
import {
  checkCount,
  type DType,
  formatDim,
  formatShape,
  ShapeError,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { type Activation, type ActivationName, activation } from "./activations.ts";
import { type Initializer, type InitializerName, initializer } from "./initializers.ts";
import { Module } from "./module.ts";

/** Options of a two-dimensional convolution. */
export interface Conv2dOptions {
  /** Number of output channels. */
  readonly filters: number;
  /** Height and width of the window, one number for both. */
  readonly kernelSize: PairOption;
  /** Default 1. */
  readonly strides?: PairOption;
  /** "valid" (default): no padding; "same": the output has ⌈input / stride⌉ positions. */
  readonly padding?: PaddingOption;
  /** Distance between the window's taps; default 1. */
  readonly dilation?: PairOption;
  /** Channels are split into this many groups that do not see each other; default 1. */
  readonly groups?: number;
  /** Default "linear". */
  readonly activation?: ActivationName | Activation;
  /** Default true. */
  readonly useBias?: boolean;
  /** Default "glorotUniform". */
  readonly kernelInitializer?: InitializerName | Initializer;
  /** Default "zeros". */
  readonly biasInitializer?: InitializerName | Initializer;
  /** Default "float32". */
  readonly dtype?: DType;
}

/**
 * Cross-correlation of images [batch, height, width, channels] with a kernel
 * [kernelHeight, kernelWidth, channels / groups, filters], plus a bias [filters].
 * @example
 * nn.conv2d({ filters: 8, kernelSize: 3 }).call(ng.ones([1, 28, 28, 1])).shape; // [1, 26, 26, 8]
 */
export class Conv2d extends Module {
  readonly options: Conv2dOptions;
  readonly activation: Activation;
  kernel: Variable | undefined;
  bias: Variable | undefined;

  constructor(options: Conv2dOptions) {
    super();
    checkCount(options.filters, 1, "Conv2d: filters");
    checkCount(options.groups ?? 1, 1, "Conv2d: groups");
    if (options.filters % (options.groups ?? 1) !== 0) {
      throw new ValueError(
        `Conv2d: filters must be a multiple of groups; received ${options.filters} and ${options.groups}.`,
      );
    }
    pairOf(options.kernelSize, "Conv2d: kernelSize");
    this.options = options;
    this.activation = activation(options.activation);
  }

  override build(x: Tensor): void {
    const { filters, kernelSize, groups = 1, dtype = "float32", useBias = true } = this.options;
    const { kernelInitializer = "glorotUniform", biasInitializer = "zeros" } = this.options;
    const channels = x.shape[3];
    if (x.rank !== 4 || typeof channels !== "number" || channels % groups !== 0) {
      throw new ShapeError(
        `Conv2d: expected images [batch, height, width, channels] with channels a multiple of groups (${groups}); received ` +
          `${formatShape(x.shape)}${channels === undefined ? "" : `, channels ${formatDim(channels)}`}.`,
      );
    }
    const shape = [...pairOf(kernelSize, "Conv2d: kernelSize"), channels / groups, filters];
    this.kernel = variable(initializer(kernelInitializer)(shape, dtype), { name: "kernel" });
    if (useBias) this.bias = variable(initializer(biasInitializer)([filters], dtype), { name: "bias" });
  }

  override forward(x: Tensor): Tensor {
    if (!this.kernel) throw new ValueError("Conv2d: call the layer, or build it, before forward.");
    const { strides = 1, padding = "valid", dilation = 1, groups = 1 } = this.options;
    const product = convolve(x, this.kernel.value, { strides, padding, dilation, groups });
    return this.activation(this.bias ? add(product, this.bias) : product);
  }
}

/** A new `Conv2d` layer. */
export function conv2d(options: Conv2dOptions): Conv2d {
  return new Conv2d(options);
}
