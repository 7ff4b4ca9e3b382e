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
import { sizeOf, type Tensor } from "../core/index.ts";
import { Module } from "./module.ts";

/** Options of the pooling layers. */
export interface Pool2dOptions {
  /** Height and width of the window; default 2. */
  readonly poolSize?: PairOption;
  /** Default: the window's size, so that windows do not overlap. */
  readonly strides?: PairOption;
  /** Default "valid". */
  readonly padding?: PaddingOption;
}

abstract class Pool2d extends Module {
  readonly window: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly padding: PaddingOption;

  constructor({ poolSize = 2, strides = poolSize, padding = "valid" }: Pool2dOptions, where: string) {
    super();
    this.window = pairOf(poolSize, `${where}: poolSize`);
    this.strides = pairOf(strides, `${where}: strides`);
    this.padding = padding;
  }
}

/** The largest value of each window. [batch, height, width, channels] → [batch, rows, columns, channels]. */
export class MaxPool2d extends Pool2d {
  constructor(options: Pool2dOptions = {}) {
    super(options, "MaxPool2d");
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this);
  }
}

/** The mean of each window; padding is not counted. */
export class AvgPool2d extends Pool2d {
  constructor(options: Pool2dOptions = {}) {
    super(options, "AvgPool2d");
  }

  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this);
  }
}

/** The mean over height and width: [batch, height, width, channels] → [batch, channels]. */
export class GlobalAvgPool2d extends Module {
  override forward(x: Tensor): Tensor {
    return mean(x, { axis: [1, 2] });
  }
}

/** Everything behind the first axis in one: [batch, …] → [batch, features]. */
export class Flatten extends Module {
  override forward(x: Tensor): Tensor {
    return reshape(x, [x.shape[0] ?? 1, sizeOf(x.shape.slice(1))]);
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
