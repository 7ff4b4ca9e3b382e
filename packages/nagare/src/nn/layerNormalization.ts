/** Layer normalization. */
import { type LayerNormOptions, layerNorm } from "../array/index.ts";
import type { Tensor } from "../core/index.ts";
import { AffineNormalization, type AffineOptions } from "./affineNormalization.ts";

/** Options of layer normalization. */
export type LayerNormalizationOptions = AffineOptions;

/**
 * Normalizes each example over its last axis: γ·(x − μ)/√(σ² + ε) + β, where μ and σ² = mean((x − μ)²) are those of the
 * row (Ba, Kiros & Hinton 2016). Input and output [..., width] of one float dtype; γ starts as ones and β as zeros [width].
 * Halves are normalized in float32. Throws ValueError for an impossible epsilon, ShapeError or DTypeError for inputs that
 * do not fit.
 * @example
 * nn.sequential([nn.layerNormalization({ epsilon: 1e-5 }), nn.dense({ units: 64, activation: "gelu" })]);
 */
export class LayerNorm extends AffineNormalization {
  constructor(options: LayerNormalizationOptions = {}) {
    super("LayerNorm", options);
  }

  protected override normalize(x: Tensor, affine: LayerNormOptions): Tensor {
    return layerNorm(x, affine);
  }
}

/** A new `LayerNorm` layer. */
export function layerNormalization(options: LayerNormalizationOptions = {}): LayerNorm {
  return new LayerNorm(options);
}
