/** Fully connected layers. */

import { add, matmul } from "../array/index.ts";
import { checkCount, type DType, formatDim, ShapeError, type Tensor, ValueError } from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { type Activation, type ActivationName, activation } from "./activations.ts";
import { type Initializer, type InitializerName, initializer } from "./initializers.ts";
import { Module } from "./module.ts";

/** Options of a fully connected layer. */
export interface DenseOptions {
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
 * y = activation(x · kernel + bias). x [..., inputs] → y [..., units]; kernel [inputs, units], bias [units].
 * Throws ShapeError when the last axis of the input is not a number or changes.
 * @example
 * const layer = new nn.Dense(10, { activation: "relu" });
 * layer.call(ng.ones([2, 4])).shape; // [2, 10]
 */
export class Dense extends Module {
  readonly units: number;
  readonly activation: Activation;
  kernel: Variable | undefined;
  bias: Variable | undefined;
  readonly #options: DenseOptions;

  constructor(units: number, options: DenseOptions = {}) {
    super();
    this.units = checkCount(units, 1, "Dense: units");
    this.activation = activation(options.activation);
    this.#options = options;
  }

  override build(x: Tensor): void {
    const inputs = x.shape.at(-1);
    if (typeof inputs !== "number") {
      throw new ShapeError(
        `Dense: expected an input with a known last axis; received ${inputs === undefined ? "a scalar" : formatDim(inputs)}.`,
      );
    }
    const {
      kernelInitializer = "glorotUniform",
      biasInitializer = "zeros",
      useBias = true,
      dtype = "float32",
    } = this.#options;
    this.kernel = variable(initializer(kernelInitializer)([inputs, this.units], dtype), { name: "kernel" });
    if (useBias) this.bias = variable(initializer(biasInitializer)([this.units], dtype), { name: "bias" });
  }

  override forward(x: Tensor): Tensor {
    if (!this.kernel) throw new ValueError("Dense: call the layer, or build it, before forward.");
    const product = matmul(x, this.kernel);
    return this.activation(this.bias ? add(product, this.bias) : product);
  }
}

/** A `Dense` layer with all its options in one record. */
export function dense({ units, ...options }: DenseOptions & { readonly units: number }): Dense {
  return new Dense(units, options);
}
