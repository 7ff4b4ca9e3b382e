/** Normalization by the root of the mean square. */
import { type LayerNormOptions, rmsNorm } from "../array/index.ts";
import type { Tensor } from "../core/index.ts";
import { AffineNormalization, type AffineOptions } from "./affineNormalization.ts";

/** Options of normalization by the root of the mean square. */
export interface RmsNormalizationOptions extends Omit<AffineOptions, "center" | "epsilon"> {
  /** Added to the mean square; default 1e-6, as in Keras and Flax (PyTorch: the dtype's epsilon, 1.19e-7). */
  readonly epsilon?: number;
}

/**
 * Divides each example by the root of its mean square over the last axis: γ·x/√(mean(x²) + ε) (Zhang & Sennrich 2019). Input and
 * output [..., width] of one float dtype; γ starts as ones [width]. Halves are normalized in float32. Throws ValueError for an
 * impossible epsilon, ShapeError or DTypeError for inputs that do not fit.
 * @example
 * nn.sequential([nn.rmsNormalization(), nn.dense({ units: 64, useBias: false })]);
 */
export class RmsNorm extends AffineNormalization {
  constructor({ epsilon = 1e-6, ...options }: RmsNormalizationOptions = {}) {
    super("RmsNorm", { ...options, epsilon, center: false });
  }

  protected override normalize(x: Tensor, affine: LayerNormOptions): Tensor {
    return rmsNorm(x, affine);
  }
}

/** A new `RmsNorm` layer. */
export function rmsNormalization(options: RmsNormalizationOptions = {}): RmsNorm {
  return new RmsNorm(options);
}
