/** Pooling layers and the way from images to vectors. */

import {
  avgPool2d,
  maxPool2d,
  mean,
  type PaddingOption,
  type PairOption,
  pairOf,
  reshape,
} from "../array/index.ts";
import { formatAval, ShapeError, sizeOf, type Tensor } from "../core/index.ts";
import { Module } from "./module.ts";
import { type LayerWindow, layerWindow } from "./window.ts";

/** Options of the pooling layers. */
export interface Pool2dOptions {
  /** Height and width of the window; default 2. */
  readonly poolSize?: PairOption;
  /** Default: the window's size, so that windows do not overlap. */
  readonly strides?: PairOption;
  /** Default "valid". */
  readonly padding?: PaddingOption;
}

function checkImages(x: Tensor, where: string): void {
  if (x.rank === 4) return;
  throw new ShapeError(
    `${where}: expected images [batch, height, width, channels]; received ${formatAval(x)}.`,
  );
}

abstract class Pool2d extends Module {
  readonly poolSize: readonly [number, number];
  readonly window: LayerWindow;

  constructor({ poolSize = 2, strides = poolSize, padding = "valid" }: Pool2dOptions = {}) {
    super();
    const where = this.constructor.name;
    this.poolSize = pairOf(poolSize, `${where}: poolSize`);
    this.window = layerWindow(strides, padding, where);
  }

  protected abstract pool(x: Tensor, options: LayerWindow & { readonly window: PairOption }): Tensor;

  override forward(x: Tensor): Tensor {
    checkImages(x, this.constructor.name);
    return this.pool(x, { ...this.window, window: this.poolSize });
  }
}

/**
 * The largest value of each window: [batch, height, width, channels] → [batch, rows, columns, channels].
 * Throws ValueError for impossible options, ShapeError for inputs that are no images.
 * @example
 * nn.maxPooling2d({ poolSize: 2 }).call(ng.ones([1, 4, 4, 3])).shape; // [1, 2, 2, 3]
 */
export class MaxPool2d extends Pool2d {
  protected override pool(x: Tensor, options: LayerWindow & { readonly window: PairOption }): Tensor {
    return maxPool2d(x, options);
  }
}

/**
 * The mean of each window, in which padding is not counted: [batch, height, width, channels] →
 * [batch, rows, columns, channels]. Throws ValueError for impossible options, ShapeError for inputs that are no images.
 * @example
 * nn.averagePooling2d({ poolSize: [1, 2] }).call(ng.ones([1, 4, 4, 3])).shape; // [1, 4, 2, 3]
 */
export class AvgPool2d extends Pool2d {
  protected override pool(x: Tensor, options: LayerWindow & { readonly window: PairOption }): Tensor {
    return avgPool2d(x, options);
  }
}

/**
 * The mean over height and width: [batch, height, width, channels] → [batch, channels].
 * Throws ShapeError for inputs that are no images.
 */
export class GlobalAvgPool2d extends Module {
  override forward(x: Tensor): Tensor {
    checkImages(x, "GlobalAvgPool2d");
    return mean(x, { axis: [1, 2] });
  }
}

/**
 * Everything behind the first axis in one: [batch, …] → [batch, features]. Throws ShapeError for a scalar.
 * @example
 * nn.flatten().call(ng.ones([2, 3, 4])).shape; // [2, 12]
 */
export class Flatten extends Module {
  override forward(x: Tensor): Tensor {
    const [batch, ...rest] = x.shape;
    if (batch === undefined)
      throw new ShapeError("Flatten: expected an input [batch, …]; received a scalar.");
    return reshape(x, [batch, sizeOf(rest)]);
  }
}

/** A new `MaxPool2d` layer. */
export function maxPooling2d(options: Pool2dOptions = {}): MaxPool2d {
  return new MaxPool2d(options);
}

/** A new `AvgPool2d` layer. */
export function averagePooling2d(options: Pool2dOptions = {}): AvgPool2d {
  return new AvgPool2d(options);
}

/** A new `GlobalAvgPool2d` layer. */
export function globalAveragePooling2d(): GlobalAvgPool2d {
  return new GlobalAvgPool2d();
}

/** A new `Flatten` layer. */
export function flatten(): Flatten {
  return new Flatten();
}
