/** What layers that normalize example by example share: trained factors and offsets for the elements of the last axis. */

import type { LayerNormOptions } from "../array/index.ts";
import {
  checkEpsilon,
  type DType,
  DTypeError,
  formatAval,
  isFloat,
  ShapeError,
  type Tensor,
} from "../core/index.ts";
import { type Variable, variable } from "../runtime/index.ts";
import { initializer } from "./initializers.ts";
import { Module } from "./module.ts";
import { weightDType } from "./weightDType.ts";

/** Options of such a layer. */
export interface AffineOptions {
  /** Added to the variance; default 1e-3, as in Keras (PyTorch: 1e-5). */
  readonly epsilon?: number;
  /** Whether there is a trained offset β; default true. */
  readonly center?: boolean;
  /** Whether there is a trained factor γ; default true. */
  readonly scale?: boolean;
  /** The dtype of the weights, a float; default "float32". */
  readonly dtype?: DType;
}

/** γ starts as ones and β as zeros [width], where the input is [..., width] of a float dtype. */
export abstract class AffineNormalization extends Module {
  readonly epsilon: number;
  gamma: Variable | undefined;
  beta: Variable | undefined;
  readonly #name: string;
  readonly #center: boolean;
  readonly #scale: boolean;
  readonly #dtype: DType;
  #width: number | undefined;

  protected constructor(name: string, { epsilon = 1e-3, center = true, scale = true, dtype }: AffineOptions) {
    super();
    this.epsilon = checkEpsilon(epsilon, name);
    this.#name = name;
    this.#center = center;
    this.#scale = scale;
    this.#dtype = weightDType(dtype, name);
  }

  override build(x: Tensor): void {
    const width = x.shape.at(-1);
    if (typeof width !== "number") {
      throw new ShapeError(
        `${this.#name}: expected an input [..., width] whose last axis is a number; received ${formatAval(x)}.`,
      );
    }
    this.#width = width;
    const make = (start: "ones" | "zeros", name: string) =>
      variable(initializer(start)([width], this.#dtype), { name });
    if (this.#scale) this.gamma = make("ones", "gamma");
    if (this.#center) this.beta = make("zeros", "beta");
  }

  /** Normalizes by statistics of the example. */
  protected abstract normalize(x: Tensor, affine: LayerNormOptions): Tensor;

  override forward(x: Tensor): Tensor {
    const width = this.#width ?? x.shape.at(-1);
    if (x.shape.at(-1) !== width) {
      throw new ShapeError(
        `${this.#name}: expected an input [..., ${String(width)}], as the layer was built for; received ${formatAval(x)}.`,
      );
    }
    if (!isFloat(x.dtype)) {
      throw new DTypeError(
        `${this.#name}: expected a float input; received ${formatAval(x)}. Convert it with .astype("float32").`,
      );
    }
    return this.normalize(x, {
      epsilon: this.epsilon,
      ...(this.gamma ? { scale: this.gamma } : {}),
      ...(this.beta ? { offset: this.beta } : {}),
    });
  }
}
