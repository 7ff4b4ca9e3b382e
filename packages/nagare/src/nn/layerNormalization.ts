/** Layer normalization. */
import { layerNorm } from "../array/index.ts";
import {
  type DType,
  DTypeError,
  formatAval,
  isFloat,
  ShapeError,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { initializer } from "./initializers.ts";
import { Module } from "./module.ts";
import { weightDType } from "./weightDType.ts";

/** Options of layer normalization. */
export interface LayerNormalizationOptions {
  /** Added to the variance; default 1e-3, as in Keras (PyTorch: 1e-5). */
  readonly epsilon?: number;
  /** Whether there is a trained offset β; default true. */
  readonly center?: boolean;
  /** Whether there is a trained factor γ; default true. */
  readonly scale?: boolean;
  /** The dtype of the weights, a float; default "float32". */
  readonly dtype?: DType;
}

/**
 * Normalizes each example over its last axis: γ·(x − μ)/√(σ² + ε) + β, where μ and σ² = mean((x − μ)²) are those of the
 * row (Ba, Kiros & Hinton 2016). Input and output [..., width] of one float dtype; γ starts as ones and β as zeros [width].
 * Halves are normalized in float32. Throws ValueError for an impossible epsilon, ShapeError or DTypeError for inputs that
 * do not fit.
 * @example
 * nn.sequential([nn.layerNormalization({ epsilon: 1e-5 }), nn.dense({ units: 64, activation: "gelu" })]);
 */
export class LayerNorm extends Module {
  readonly epsilon: number;
  gamma: Variable | undefined;
  beta: Variable | undefined;
  readonly #center: boolean;
  readonly #scale: boolean;
  readonly #dtype: DType;
  #width: number | undefined;

  constructor(options: LayerNormalizationOptions = {}) {
    super();
    const { epsilon = 1e-3, center = true, scale = true, dtype } = options;
    if (!(epsilon >= 0 && Number.isFinite(epsilon)))
      throw new ValueError(`LayerNorm: expected an epsilon from 0 up; received ${epsilon}.`);
    this.epsilon = epsilon;
    this.#center = center;
    this.#scale = scale;
    this.#dtype = weightDType(dtype, "LayerNorm");
  }

  override build(x: Tensor): void {
    const width = x.shape.at(-1);
    if (typeof width !== "number") {
      throw new ShapeError(
        `LayerNorm: expected an input [..., width] whose last axis is a number; received ${formatAval(x)}.`,
      );
    }
    this.#width = width;
    const make = (start: "ones" | "zeros", name: string) =>
      variable(initializer(start)([width], this.#dtype), { name });
    if (this.#scale) this.gamma = make("ones", "gamma");
    if (this.#center) this.beta = make("zeros", "beta");
  }

  override forward(x: Tensor): Tensor {
    const width = this.#width ?? x.shape.at(-1);
    if (x.shape.at(-1) !== width) {
      throw new ShapeError(
        `LayerNorm: expected an input [..., ${String(width)}], as the layer was built for; received ${formatAval(x)}.`,
      );
    }
    if (!isFloat(x.dtype)) {
      throw new DTypeError(
        `LayerNorm: expected a float input; received ${formatAval(x)}. Convert it with .astype("float32").`,
      );
    }
    const { epsilon } = this;
    return layerNorm(x, {
      epsilon,
      ...(this.gamma ? { scale: this.gamma } : {}),
      ...(this.beta ? { offset: this.beta } : {}),
    });
  }
}

/** A new `LayerNorm` layer. */
export function layerNormalization(options: LayerNormalizationOptions = {}): LayerNorm {
  return new LayerNorm(options);
}
