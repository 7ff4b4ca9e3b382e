/** What layers of a kernel, a bias and an activation share. */
import { add } from "../array/index.ts";
import { type DType, type Tensor, ValueError } from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { type Activation, type ActivationName, activation } from "./activations.ts";
import { type Initializer, type InitializerName, initializer } from "./initializers.ts";
import { Module } from "./module.ts";
import { weightDType } from "./weightDType.ts";

/** Options of layers with weights. */
export interface WeightOptions {
  /** Applied last; default "linear". */
  readonly activation?: ActivationName | Activation;
  /** Whether there is a bias; default true. */
  readonly useBias?: boolean;
  /** Default "glorotUniform". */
  readonly kernelInitializer?: InitializerName | Initializer;
  /** Default "zeros". */
  readonly biasInitializer?: InitializerName | Initializer;
  /** The dtype of the weights, a float; default "float32". */
  readonly dtype?: DType;
}

/** activation(product of the input and `kernel` + `bias`). The weights exist once the layer is built. */
export abstract class WeightedLayer extends Module {
  readonly activation: Activation;
  kernel: Variable | undefined;
  bias: Variable | undefined;
  readonly #makeKernel: Initializer;
  readonly #makeBias: Initializer | undefined;
  readonly #dtype: DType;

  constructor(options: WeightOptions) {
    super();
    const { kernelInitializer = "glorotUniform", biasInitializer = "zeros", useBias = true } = options;
    this.activation = activation(options.activation);
    this.#makeKernel = initializer(kernelInitializer);
    this.#makeBias = useBias ? initializer(biasInitializer) : undefined;
    this.#dtype = weightDType(options.dtype, this.constructor.name);
  }

  /** Makes the kernel of this shape, and a bias of `units`: the size of the kernel's last axis unless given. */
  protected makeWeights(kernelShape: readonly number[], units: number = kernelShape.at(-1) ?? 1): void {
    this.kernel = variable(this.#makeKernel(kernelShape, this.#dtype), { name: "kernel" });
    if (this.#makeBias) this.bias = variable(this.#makeBias([units], this.#dtype), { name: "bias" });
  }

  /** The kernel. Throws ValueError before the layer is built. */
  protected builtKernel(): Variable {
    if (this.kernel) return this.kernel;
    throw new ValueError(
      `${this.constructor.name}: the weights do not exist yet. Use layer.call(x), which builds the layer, in place of layer.forward(x).`,
    );
  }

  /** The layer's output for the product of its input and its kernel. */
  protected finish(product: Tensor): Tensor {
    return this.activation(this.bias ? add(product, this.bias) : product);
  }
}
