/** Attention: averages of values, weighted by how well a query goes with their keys. */
import {
  broadcastShapes,
  DTypeError,
  formatAval,
  formatShape,
  isFloat,
  ShapeError,
  sameShape,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";

/** Options of `scaledDotProductAttention`. */
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

const where = "scaledDotProductAttention";

function checkOperands(q: Tensor, k: Tensor, v: Tensor): void {
  const [batch, , heads, depth] = q.shape;
  const fits =
    [q, k, v].every(({ rank }) => rank === 4) &&
    sameShape(k.shape, [batch ?? 0, k.shape[1] ?? 0, heads ?? 0, depth ?? 0]) &&
    sameShape(v.shape.slice(0, 3), k.shape.slice(0, 3));
  if (!fits) {
    throw new ShapeError(
      `${where}: expected queries [batch, queries, heads, depth], keys [batch, keys, heads, depth] and values ` +
        `[batch, keys, heads, valueDepth]; received ${formatShape(q.shape)}, ${formatShape(k.shape)} and ${formatShape(v.shape)}. ` +
        `From [batch, heads, time, depth], as PyTorch has it, use .transpose([0, 2, 1, 3]).`,
    );
  }
  if (!isFloat(q.dtype) || k.dtype !== q.dtype || v.dtype !== q.dtype) {
    throw new DTypeError(
      `${where}: expected three tensors of one float dtype; received ${q.dtype}, ${k.dtype} and ${v.dtype}. Convert with .astype(…).`,
    );
  }
}

function checkMask(mask: Tensor, scores: Tensor): void {
  const known = broadcastShapes([mask.shape, scores.shape], `${where}, mask`);
  if (!sameShape(known, scores.shape)) {
    throw new ShapeError(
      `${where}: expected a mask that broadcasts to [batch, heads, queries, keys] = ${formatShape(scores.shape)}; received ${formatShape(mask.shape)}.`,
    );
  }
  if (mask.dtype === "bool" || isFloat(mask.dtype)) return;
  throw new DTypeError(
    `${where}: expected a mask of bools, or of floats to add; received ${formatAval(mask)}. Convert it with .astype("bool").`,
  );
}

/** [batch, time, heads, …] ↔ [batch, heads, time, …]. */
const exchanged = { permutation: [0, 2, 1, 3] };

/** Which keys each query may see: [queries, keys]. */
function causalMask(scores: Tensor): Tensor {
  const [queries = 0, keys = 0] = scores.shape.slice(-2);
  const rows = o.iota({ shape: [queries, 1], dtype: "int32", axis: 0 });
  const columns = o.iota({ shape: [1, keys], dtype: "int32", axis: 1 });
  return o.greaterEqual(rows, columns);
}

/** Products of queries and keys where the query may see the key, −∞ elsewhere. */
function maskedScores(scores: Tensor, mask: Tensor | undefined, causal: boolean): Tensor {
  const added =
    mask && mask.dtype !== "bool" ? o.add(scores, o.convert(mask, { dtype: scores.dtype })) : scores;
  const allowed = mask?.dtype === "bool" ? o.select(mask, added, Number.NEGATIVE_INFINITY) : added;
  return causal ? o.select(causalMask(scores), allowed, Number.NEGATIVE_INFINITY) : allowed;
}

/**
 * softmax(scale·q·kᵀ + mask)·v for each head (Vaswani et al. 2017): queries [batch, queries, heads, depth], keys
 * [batch, keys, heads, depth] and values [batch, keys, heads, valueDepth] → [batch, queries, heads, valueDepth]. Time
 * comes before heads, so that [batch, time, heads·depth], as a dense layer makes it, needs a reshape and no transpose.
 * A query that may see no key gives zeros.
 * Throws ShapeError or DTypeError for operands that do not go together.
 * @example
 * const [q, k, v] = ng.split(projection.reshape([batch, time, 3, heads, depth]), 3, { axis: 2 }).map((t) => t.squeeze(2));
 * ng.scaledDotProductAttention(q, k, v, { causal: true }).reshape([batch, time, heads * depth]);
 */
export function scaledDotProductAttention(
  q: TensorLike,
  k: TensorLike,
  v: TensorLike,
  options: AttentionOptions = {},
): Tensor {
  const [queries, keys, values] = [q, k, v].map((x) => asTensor(x, where)) as [Tensor, Tensor, Tensor];
  checkOperands(queries, keys, values);
  const depth = queries.shape[3];
  const { causal = false, scale = typeof depth === "number" ? 1 / Math.sqrt(depth) : Number.NaN } = options;
  if (!Number.isFinite(scale)) {
    throw new ValueError(
      `${where}: expected a finite scale, or a depth that is known; received ${options.scale ?? formatShape(queries.shape)}.`,
    );
  }
  const { dtype } = queries;
  const wide = dtype === "float64" ? dtype : "float32";
  const [ofQueries, ofKeys, ofValues] = [o.mul(queries, scale), keys, values].map((x) =>
    o.transpose(o.convert(x, { dtype: wide }), exchanged),
  ) as [Tensor, Tensor, Tensor];
  const products = o.matmul(ofQueries, ofKeys, { transposeA: false, transposeB: true });
  const mask = options.mask === undefined ? undefined : asTensor(options.mask, where);
  if (mask) checkMask(mask, products);
  const scores = maskedScores(products, mask, causal);
  const perQuery = { shape: [...scores.shape.slice(0, -1), 1] };
  const largest = o.stopGradient(o.reshape(o.reduceMax(scores, { axes: [3] }), perQuery), {});
  // Of a query that sees nothing all weights shall be 0, and not NaN.
  const shift = mask ? o.select(o.equal(largest, Number.NEGATIVE_INFINITY), 0, largest) : largest;
  const weights = o.exp(o.sub(scores, shift));
  const total = o.reshape(o.reduceSum(weights, { axes: [3] }), perQuery);
  const sums = o.matmul(weights, ofValues, { transposeA: false, transposeB: false });
  const averages = o.div(sums, mask ? o.select(o.equal(total, 0), 1, total) : total);
  return o.convert(o.transpose(averages, exchanged), { dtype });
}
