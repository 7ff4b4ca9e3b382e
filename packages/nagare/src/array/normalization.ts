/** Normalization of rows. */
import { formatAval, ShapeError, type Tensor, type TensorLike, ValueError } from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";
import { widened } from "./precision.ts";

/** Options of `layerNorm`. */
export interface LayerNormOptions {
  /** Factors [n], for each element of a row; default 1. */
  readonly scale?: TensorLike;
  /** What is added afterwards, [n]; default 0. */
  readonly offset?: TensorLike;
  /** Added to the variance; default 1e-3, as in Keras (PyTorch: 1e-5). */
  readonly epsilon?: number;
}

/**
 * scale·(x − μ)/√(σ² + ε) + offset, where μ and σ² = mean((x − μ)²) are those of each row, the last axis (Ba, Kiros &
 * Hinton 2016). Shape [..., n] → same. Halves are normalized in float32; integers and bools give float32.
 * Throws ShapeError where the size of the last axis is not known, or where scale or offset are not of that size.
 * @example
 * ng.layerNorm(ng.tensor([[1, 2, 3]]), { epsilon: 0 }).toArray(); // [[-1.2247…, 0, 1.2247…]]
 */
export function layerNorm(x: TensorLike, { scale, offset, epsilon = 1e-3 }: LayerNormOptions = {}): Tensor {
  if (!(epsilon >= 0 && Number.isFinite(epsilon)))
    throw new ValueError(`layerNorm: expected an epsilon from 0 up; received ${epsilon}.`);
  const operand = asTensor(x, "layerNorm");
  const n = operand.shape.at(-1);
  if (typeof n !== "number") {
    throw new ShapeError(
      `layerNorm: expected a tensor whose last axis is a number; received ${formatAval(operand)}.`,
    );
  }
  return widened(operand, (wide) => {
    const { dtype } = wide;
    const perElement = (given: TensorLike | undefined, value: number): Tensor => {
      if (given === undefined) return o.full({ shape: [n], dtype, value });
      const weights = asTensor(given, "layerNorm", dtype);
      return weights.dtype === operand.dtype ? o.convert(weights, { dtype }) : weights;
    };
    const [y = wide] = o.layerNorm([wide, perElement(scale, 1), perElement(offset, 0)], { epsilon });
    return y;
  });
}
