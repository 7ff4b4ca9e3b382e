/** Group normalization. */
import { groupNorm, type LayerNormOptions } from "../array/index.ts";
import { checkCount, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import { AffineNormalization, type AffineOptions } from "./affineNormalization.ts";

/** Options of group normalization. */
export interface GroupNormalizationOptions extends AffineOptions {
  /**
   * Into how many groups of neighbours the channels fall; their number is a multiple of it. Default 32, as in Keras. As many groups
   * as channels is instance normalization, one group normalizes all of an example together.
   */
  readonly groups?: number;
}

/**
 * Normalizes each example by groups of its channels: γ·(x − μ)/√(σ² + ε) + β, where μ and σ² = mean((x − μ)²) are those of the
 * group over all positions (Wu & He 2018): unlike batch normalization, the same in training and inference and for batches of one.
 * Input and output [batch, …, channels] of one float dtype; γ starts as ones and β as zeros [channels]. Halves are normalized in
 * float32. Throws ValueError for impossible options, ShapeError or DTypeError for inputs that do not fit.
 * @example
 * nn.sequential([nn.conv2d({ filters: 64, kernelSize: 3 }), nn.groupNormalization({ groups: 8 })]);
 */
export class GroupNorm extends AffineNormalization {
  readonly groups: number;

  constructor({ groups = 32, ...options }: GroupNormalizationOptions = {}) {
    super("GroupNorm", options);
    this.groups = checkCount(groups, 1, "GroupNorm: groups");
  }

  override build(x: Tensor): void {
    const channels = x.shape.at(-1);
    if (x.rank < 2 || typeof channels !== "number" || channels % this.groups !== 0) {
      throw new ShapeError(
        `GroupNorm: expected [batch, …, channels], channels a multiple of ${this.groups} groups; received ${formatAval(x)}.`,
      );
    }
    super.build(x);
  }

  protected override normalize(x: Tensor, affine: LayerNormOptions): Tensor {
    return groupNorm(x, { ...affine, groups: this.groups });
  }
}

/** A new `GroupNorm` layer. */
export function groupNormalization(options: GroupNormalizationOptions = {}): GroupNorm {
  return new GroupNorm(options);
}
