/** Attention for users: operands and options as they write them. */
import {
  DTypeError,
  formatAval,
  isFloat,
  ShapeError,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";
import { reshape } from "./shape.ts";

/** Options of attention. */
export interface AttentionOptions {
  /** Whether query i sees keys 0 … i only; default false. Both are counted from the front, also where their numbers differ. */
  readonly causal?: boolean;
  /**
   * What each query may see, of a shape that broadcasts to [batch, heads, queries, keys]: bools (true: it may), or floats
   * that are added to the scaled products.
   */
  readonly mask?: TensorLike;
  /** The factor of the products; default 1/√depth. */
  readonly scale?: number;
}

function attend(sequences: readonly Tensor[], options: AttentionOptions, where: string): Tensor {
  const stranger = sequences.find(({ dtype }) => !isFloat(dtype));
  if (stranger) {
    throw new DTypeError(
      `${where}: expected floats; received ${formatAval(stranger)}. Convert with .astype("float32").`,
    );
  }
  const depth = sequences[0]?.shape.at(-1);
  const { causal = false, scale = typeof depth === "number" ? 1 / Math.sqrt(depth) : Number.NaN } = options;
  if (!Number.isFinite(scale)) {
    throw new ValueError(
      `${where}: expected a finite scale, or a depth that is known and not 0; received ` +
        `${options.scale === undefined ? String(depth) : String(options.scale)}.`,
    );
  }
  const mask = options.mask === undefined ? [] : [asTensor(options.mask, where)];
  const [y] = o.attention([...sequences, ...mask], { causal, scale });
  return y as Tensor;
}

/**
 * softmax(scale·q·kᵀ + mask)·v for each head (Vaswani et al. 2017): queries [batch, queries, heads, depth], keys
 * [batch, keys, heads, depth] and values [batch, keys, heads, valueDepth] → [batch, queries, heads, valueDepth]. Time
 * comes before heads, so that [batch, time, heads·depth], as a dense layer makes it, needs a reshape and no transpose.
 * A query that may see no key gives zeros.
 * Throws ShapeError or DTypeError for operands that do not go together.
 * @example
 * const [q, k, v] = [queries, keys, values].map((x) => x.reshape([batch, time, heads, depth]));
 * ng.scaledDotProductAttention(q, k, v, { causal: true }).reshape([batch, time, heads * depth]);
 */
export function scaledDotProductAttention(
  q: TensorLike,
  k: TensorLike,
  v: TensorLike,
  options: AttentionOptions = {},
): Tensor {
  const where = "scaledDotProductAttention";
  return attend(
    [q, k, v].map((x) => asTensor(x, where)),
    options,
    where,
  );
}

/**
 * Attention within a sequence, whose queries, keys and values one product made: [batch, time, 3·heads·depth], first all
 * heads' queries, then their keys, then their values → [batch, time, heads·depth]. Nothing is moved or copied for it.
 * Throws ShapeError unless 3·heads divides the last axis.
 * @example
 * const packed = nn.dense({ units: 3 * 64 }).call(x);
 * ng.selfAttention(packed, { heads: 4, causal: true }).shape; // [batch, time, 64]
 */
export function selfAttention(
  packed: TensorLike,
  { heads, ...options }: AttentionOptions & { readonly heads: number },
): Tensor {
  const where = "selfAttention";
  const operand = asTensor(packed, where);
  const [batch = 0, time = 0, width] = operand.shape;
  if (operand.rank !== 3 || typeof width !== "number" || !(heads >= 1) || width % (3 * heads) !== 0) {
    throw new ShapeError(
      `${where}: expected [batch, time, 3·heads·depth] for ${heads} heads; received ${formatAval(operand)}.`,
    );
  }
  const sequences = reshape(operand, [batch, time, 3, heads, width / (3 * heads)]);
  return reshape(attend([sequences], options, where), [batch, time, width / 3]);
}
