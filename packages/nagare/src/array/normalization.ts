/** Normalization of rows, and of groups of channels. */
import {
  checkCount,
  checkEpsilon,
  formatAval,
  ShapeError,
  type Tensor,
  type TensorLike,
} from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";
import { widened } from "./precision.ts";

/** Options of `rmsNorm`. */
export interface RmsNormOptions {
  /** Factors [n], for each element of a row; default 1. */
  readonly scale?: TensorLike;
  /** Added to the mean square; default 1e-6, as in Keras and Flax (PyTorch: the dtype's epsilon, 1.19e-7). */
  readonly epsilon?: number;
}

/** Options of `layerNorm`. */
export interface LayerNormOptions {
  /** Factors [n], for each element of a row; default 1. */
  readonly scale?: TensorLike;
  /** What is added afterwards, [n]; default 0. */
  readonly offset?: TensorLike;
  /** Added to the variance; default 1e-3, as in Keras (PyTorch: 1e-5). */
  readonly epsilon?: number;
}

/** Computes in float32 or wider, with weights for each element of the last axis, whose size is a number. */
function normalized(
  x: TensorLike,
  where: string,
  epsilon: number,
  compute: (
    wide: Tensor,
    perElement: (given: TensorLike | undefined, value: number) => Tensor,
  ) => readonly Tensor[],
): Tensor {
  checkEpsilon(epsilon, where);
  const operand = asTensor(x, where);
  const n = operand.shape.at(-1);
  if (typeof n !== "number") {
    throw new ShapeError(
      `${where}: expected a tensor whose last axis is a number; received ${formatAval(operand)}.`,
    );
  }
  return widened(operand, (wide) => {
    const { dtype } = wide;
    const perElement = (given: TensorLike | undefined, value: number): Tensor => {
      if (given === undefined) return o.full({ shape: [n], dtype, value });
      const weights = asTensor(given, where, dtype);
      return weights.dtype === operand.dtype ? o.convert(weights, { dtype }) : weights;
    };
    const [y = wide] = compute(wide, perElement);
    return y;
  });
}

/**
 * scale·(x − μ)/√(σ² + ε) + offset, where μ and σ² = mean((x − μ)²) are those of each row, the last axis (Ba, Kiros &
 * Hinton 2016). Shape [..., n] → same. Halves are normalized in float32; integers and bools give float32.
 * Throws ShapeError where the size of the last axis is not known, or where scale or offset are not of that size.
 * @example
 * ng.layerNorm(ng.tensor([[1, 2, 3]]), { epsilon: 0 }).toArray(); // [[-1.2247…, 0, 1.2247…]]
 */
export function layerNorm(x: TensorLike, { scale, offset, epsilon = 1e-3 }: LayerNormOptions = {}): Tensor {
  return normalized(x, "layerNorm", epsilon, (wide, perElement) =>
    o.layerNorm([wide, perElement(scale, 1), perElement(offset, 0)], { epsilon }),
  );
}

/**
 * scale·x/√(mean(x²) + ε), where the mean square is that of each row, the last axis (Zhang & Sennrich 2019). Shape [..., n] → same.
 * Halves are normalized in float32; integers and bools give float32.
 * Throws ValueError for an impossible epsilon, ShapeError where the size of the last axis is not known, or where scale is not of that
 * size.
 * @example
 * ng.rmsNorm(ng.tensor([[3, 4, 0, 0]]), { epsilon: 0 }).toArray(); // [[1.2, 1.6, 0, 0]]
 */
export function rmsNorm(x: TensorLike, { scale, epsilon = 1e-6 }: RmsNormOptions = {}): Tensor {
  return normalized(x, "rmsNorm", epsilon, (wide, perElement) =>
    o.rmsNorm([wide, perElement(scale, 1)], { epsilon }),
  );
}

/** Options of `groupNorm`: factors and offsets are for each channel, the last axis. */
export interface GroupNormOptions extends LayerNormOptions {
  /** Into how many groups of neighbours the channels fall; their number is a multiple of it. */
  readonly groups: number;
}

/**
 * scale·(x − μ)/√(σ² + ε) + offset, where μ and σ² = mean((x − μ)²) are those of a group of neighbouring channels, the last
 * axis, over all positions of an example (Wu & He 2018). Shape [batch, …, channels] → same. As many groups as channels is instance
 * normalization. Halves are normalized in float32; integers and bools give float32.
 * Throws ValueError for impossible options, ShapeError where the channels are no multiple of the groups, or where scale or offset are
 * not of their number.
 * @example
 * ng.groupNorm(ng.tensor([[1, 3, 10, 30]]), { groups: 2, epsilon: 0 }).toArray(); // [[-1, 1, -1, 1]]
 */
export function groupNorm(
  x: TensorLike,
  { groups, scale, offset, epsilon = 1e-3 }: GroupNormOptions,
): Tensor {
  checkCount(groups, 1, "groupNorm: groups");
  return normalized(x, "groupNorm", epsilon, (wide, perElement) =>
    o.groupNorm([wide, perElement(scale, 1), perElement(offset, 0)], { groups, epsilon }),
  );
}
