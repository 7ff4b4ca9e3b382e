/** Fully connected layers. */

import { matmul } from "../array/index.ts";
import { checkCount, formatAval, formatDim, ShapeError, type Tensor } from "../core/index.ts";
import { WeightedLayer, type WeightOptions } from "./weighted.ts";

/** Options of a fully connected layer. */
export type DenseOptions = WeightOptions;

/**
 * y = activation(x · kernel + bias). x [..., inputs] → y [..., units]; kernel [inputs, units], bias [units].
 * Throws ShapeError when the last axis of the input is not known, or not the one the layer was built for.
 * @example
 * const layer = new nn.Dense(10, { activation: "relu" });
 * layer.call(ng.ones([2, 4])).shape; // [2, 10]
 */
export class Dense extends WeightedLayer {
  readonly units: number;

  constructor(units: number, options: DenseOptions = {}) {
    super(options);
    this.units = checkCount(units, 1, "Dense: units");
  }

  override build(x: Tensor): void {
    const inputs = x.shape.at(-1);
    if (typeof inputs !== "number") {
      throw new ShapeError(
        `Dense: expected an input [..., inputs] whose last axis is a number; received ${
          inputs === undefined ? "a scalar" : `${formatAval(x)}, where ${formatDim(inputs)} is not known`
        }.`,
      );
    }
    this.makeWeights([inputs, this.units]);
  }

  override forward(x: Tensor): Tensor {
    const kernel = this.builtKernel();
    const [inputs] = kernel.shape;
    if (x.shape.at(-1) !== inputs) {
      throw new ShapeError(
        `Dense: expected an input [..., ${String(inputs)}], as the layer was built for; received ${formatAval(x)}.`,
      );
    }
    return this.finish(matmul(x, kernel));
  }
}

/** A `Dense` layer with all its options in one record. */
export function dense({ units, ...options }: DenseOptions & { readonly units: number }): Dense {
  return new Dense(units, options);
}
