/** Attention and its derivative: averages of values, weighted by how well queries go with keys. */
import {
  type Aval,
  broadcastShapes,
  type Dim,
  type DType,
  DTypeError,
  formatAval,
  formatShape,
  isFloat,
  mulDims,
  type Shape,
  ShapeError,
  sameShape,
  type Tensor,
} from "../core/index.ts";
import type { OpBuilder } from "../trace/index.ts";
import { broadcastMapped, type FusedOp, fused, sumTo } from "./define/index.ts";
import { besideRows } from "./lastAxis.ts";

type Family = typeof import("./attention.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/**
 * `causal`: query i sees keys 0 … i only, both counted from the front. `scale`: the factor of the products of queries and
 * keys.
 */
type AttentionParams = { causal: boolean; scale: number };

/**
 * Queries [batch, queries, heads, depth], keys [batch, keys, heads, depth], values [batch, keys, heads, valueDepth], or
 * one tensor that packs all three, [batch, time, 3, heads, depth]; and perhaps a mask that broadcasts to
 * [batch, heads, queries, keys].
 */
interface Operands<T extends Aval> {
  readonly packed: boolean;
  /** One tensor or three. */
  readonly sequences: readonly T[];
  readonly mask: T | undefined;
}

/** Sorts operands, of which the last `others` are of another kind. */
function operandsOf<T extends Aval>(
  inputs: readonly T[],
  others = 0,
): Operands<T> & { others: readonly T[] } {
  const packed = inputs[0]?.shape.length === 5;
  const count = packed ? 1 : 3;
  const end = inputs.length - others;
  return {
    packed,
    sequences: inputs.slice(0, count),
    mask: end > count ? inputs[count] : undefined,
    others: inputs.slice(end),
  };
}

/** What attention of these operands makes: its result, and the logarithm of each query's sum of exponentials. */
function resultsOf(inputs: readonly Aval[]): readonly [y: Aval, logSums: Aval] {
  const { packed, sequences, mask } = operandsOf(inputs);
  const [q = { shape: [], dtype: "float32" }, k = q, v = k] = sequences;
  const dtype: DType = q.dtype;
  if (sequences.some((x) => x.dtype !== dtype)) {
    throw new DTypeError(
      `attention: expected queries, keys and values of one float dtype; received ${sequences.map((x) => x.dtype).join(", ")}. ` +
        "Convert with .astype(…).",
    );
  }
  const [batch = 0, queries = 0, heads = 0, depth = 0] = packed ? q.shape.toSpliced(2, 1) : q.shape;
  const keys = packed ? queries : (k.shape[1] ?? 0);
  const valueDepth = packed ? depth : (v.shape[3] ?? 0);
  const fits = packed
    ? q.shape[2] === 3
    : q.shape.length === 4 &&
      sameShape(k.shape, [batch, keys, heads, depth]) &&
      sameShape(v.shape, [batch, keys, heads, valueDepth]);
  if (!fits) {
    throw new ShapeError(
      `attention: expected queries [batch, queries, heads, depth], keys [batch, keys, heads, depth] and values ` +
        `[batch, keys, heads, valueDepth]; received ${sequences.map((x) => formatShape(x.shape)).join(", ")}. ` +
        `From [batch, heads, time, depth], as PyTorch has it, use .transpose([0, 2, 1, 3]).`,
    );
  }
  if (keys === 0)
    throw new ShapeError(`attention: expected at least one key; received ${formatShape(k.shape)}.`);
  if (mask) checkMask(mask, [batch, heads, queries, keys]);
  return [
    { shape: [batch, queries, heads, valueDepth], dtype },
    { shape: [batch, heads, queries], dtype: computedDType(dtype) },
  ];
}

function checkMask(mask: Aval, scores: Shape): void {
  if (!sameShape(broadcastShapes([mask.shape, scores], "attention, mask"), scores)) {
    throw new ShapeError(
      `attention: expected a mask that broadcasts to [batch, heads, queries, keys] = ${formatShape(scores)}; received ${formatShape(mask.shape)}.`,
    );
  }
  if (mask.dtype === "bool" || isFloat(mask.dtype)) return;
  throw new DTypeError(
    `attention: expected a mask of bools, or of floats to add; received ${formatAval(mask)}. Convert it with .astype("bool").`,
  );
}

/** Sums of halves overflow or stall early. */
function computedDType(dtype: DType): DType {
  return dtype === "float64" ? "float64" : "float32";
}

/** [batch, time, heads, …] ↔ [batch, heads, time, …], in the dtype that is computed in. */
function exchanged(o: OpBuilder, x: Tensor): Tensor {
  return o.transpose(o.convert(x, { dtype: computedDType(x.dtype) }), { permutation: [0, 2, 1, 3] });
}

/** Queries, keys and values as [batch, heads, time, depth]. */
function sequencesOf(o: OpBuilder, { packed, sequences }: Operands<Tensor>): [Tensor, Tensor, Tensor] {
  const [first = sequences[0] as Tensor, second = first, third = second] = sequences;
  if (!packed) return [exchanged(o, first), exchanged(o, second), exchanged(o, third)];
  const [batch = 0, time = 0, , heads = 0, depth = 0] = first.shape;
  const part = (i: number): Tensor => {
    const piece = o.slice(first, {
      starts: [0, 0, i, 0, 0],
      limits: [batch, time, i + 1, heads, depth],
      strides: [1, 1, 1, 1, 1],
    });
    return exchanged(o, o.reshape(piece, { shape: [batch, time, heads, depth] }));
  };
  return [part(0), part(1), part(2)];
}

/** Which keys each query may see by its place: [queries, keys]. */
function causalMask(o: OpBuilder, queries: Dim, keys: Dim): Tensor {
  const rows = o.iota({ shape: [queries, 1], dtype: "int32", axis: 0 });
  return o.greaterEqual(rows, o.iota({ shape: [1, keys], dtype: "int32", axis: 1 }));
}

const product = (transposeA: boolean, transposeB: boolean) => ({ transposeA, transposeB });

/** Products of queries and keys, scaled and masked: −∞ where the query may not see the key. */
function scoresOf(
  o: OpBuilder,
  q: Tensor,
  k: Tensor,
  mask: Tensor | undefined,
  { causal, scale }: AttentionParams,
): Tensor {
  const products = o.matmul(o.mul(q, scale), k, product(false, true));
  const added =
    mask && mask.dtype !== "bool" ? o.add(products, o.convert(mask, { dtype: products.dtype })) : products;
  const allowed = mask?.dtype === "bool" ? o.select(mask, added, Number.NEGATIVE_INFINITY) : added;
  if (!causal) return allowed;
  return o.select(causalMask(o, q.shape[2] ?? 0, k.shape[2] ?? 0), allowed, Number.NEGATIVE_INFINITY);
}

/** Of a query that may see nothing all weights shall be 0, and not NaN. */
function finiteShift(o: OpBuilder, shift: Tensor): Tensor {
  return o.select(o.equal(shift, Number.NEGATIVE_INFINITY), 0, shift);
}

/** Attention's results, and their cotangents: undefined where nothing depends on that result. */
interface Reverse {
  readonly y: Tensor;
  readonly logSums: Tensor;
  readonly dy: Tensor | undefined;
  readonly dLogSums?: Tensor | undefined;
}

/** The weights that attention gave, and the cotangent of its scores. */
function weightsAndCotangent(
  o: OpBuilder,
  operands: Operands<Tensor>,
  { y, logSums, dy = o.mul(y, 0), dLogSums }: Reverse,
  params: AttentionParams,
) {
  const [q, k, v] = sequencesOf(o, operands);
  const [average, cotangent] = [exchanged(o, y), exchanged(o, dy)];
  const shift = besideRows(o, finiteShift(o, logSums));
  const weights = o.exp(o.sub(scoresOf(o, q, k, operands.mask, params), shift));
  const mean = o.reduceSum(o.mul(cotangent, average), { axes: [3] });
  const below = besideRows(o, dLogSums ? o.sub(mean, dLogSums) : mean);
  const dScores = o.mul(weights, o.sub(o.matmul(cotangent, v, product(false, true)), below));
  return { q, k, cotangent, weights, dScores };
}

/** The cotangents of the sequences, and of the scores. */
function cotangentsOf(o: OpBuilder, operands: Operands<Tensor>, reverse: Reverse, params: AttentionParams) {
  const { q, k, cotangent, weights, dScores } = weightsAndCotangent(o, operands, reverse, params);
  const dProducts = o.mul(dScores, params.scale);
  const gradients = [
    o.matmul(dProducts, k, product(false, false)),
    o.matmul(dProducts, q, product(true, false)),
    o.matmul(weights, cotangent, product(true, false)),
  ].map((x) => o.convert(exchanged(o, x), { dtype: reverse.y.dtype }));
  if (!operands.packed) return { sequences: gradients, dScores };
  const [batch = 0, time = 0, heads = 0, depth = 0] = reverse.y.shape;
  const stacked = gradients.map((x) => o.reshape(x, { shape: [batch, time, 1, heads, depth] }));
  return { sequences: [o.concat(stacked, { axis: 2 })], dScores };
}

/** Folds a mapped axis into the batch. */
function mergeBatch(o: OpBuilder, x: Tensor): Tensor {
  const [size = 0, batch = 0, ...rest] = x.shape;
  return o.reshape(x, { shape: [mulDims(size, batch), ...rest] });
}

function splitBatch(o: OpBuilder, x: Tensor, size: Dim, batch: Dim): Tensor {
  return o.reshape(x, { shape: [size, batch, ...x.shape.slice(1)] });
}

/** A mask for the merged batch. One that is the same for all of it stays as it is. */
function mergeMask(o: OpBuilder, mask: Tensor, isMapped: boolean, size: Dim, batch: Dim): Tensor {
  const own = isMapped ? mask.shape.slice(1) : mask.shape;
  if (!isMapped && (own.length < 4 || own[0] === 1)) return mask;
  const inner: Shape = [...new Array<number>(4 - own.length).fill(1), ...own];
  const aligned = o.reshape(mask, { shape: [isMapped ? size : 1, ...inner] });
  return mergeBatch(o, o.broadcastTo(aligned, { shape: [size, batch, ...inner.slice(1)] }));
}

/** Operands with the mapped axis in their batch, and the batch of one example. */
function mergeOperands(
  o: OpBuilder,
  inputs: readonly Tensor[],
  mapped: readonly boolean[],
  size: Dim,
  others: number,
): { readonly inputs: readonly Tensor[]; readonly batch: Dim } {
  const rank = (i: number): number => (inputs[i]?.rank ?? 0) - (mapped[i] ? 1 : 0);
  const count = rank(0) === 5 ? 1 : 3;
  const [batch = 0] = mapped[0] ? (inputs[0]?.shape.slice(1) ?? []) : (inputs[0]?.shape ?? []);
  const merged = inputs.map((x, i) =>
    i === count && i < inputs.length - others
      ? mergeMask(o, x, mapped[i] ?? false, size, batch)
      : mergeBatch(o, broadcastMapped(o, x, mapped[i] ?? false, size)),
  );
  return { inputs: merged, batch };
}

const values = (...shape: number[]) => ({ shape, low: -2, high: 2 });
const bools = (...shape: number[]) => ({ shape, dtype: "bool" as const });

/** Operands without the results, their result's shape and parameters. */
const cases = [
  { inputs: [values(2, 3, 2, 2), values(2, 4, 2, 2), values(2, 4, 2, 3)], y: [2, 3, 2, 3], causal: false },
  { inputs: [values(1, 4, 1, 3), values(1, 3, 1, 3), values(1, 3, 1, 1)], y: [1, 4, 1, 1], causal: true },
  { inputs: [values(2, 3, 3, 2, 2)], y: [2, 3, 2, 2], causal: true },
  { inputs: [values(1, 9, 3, 1, 2), bools(1, 9, 9)], y: [1, 9, 1, 2], causal: false },
  {
    inputs: [values(2, 2, 2, 2), values(2, 3, 2, 2), values(2, 3, 2, 2), values(2, 1, 2, 3)],
    y: [2, 2, 2, 2],
    causal: false,
  },
  { inputs: [values(0, 2, 1, 2), values(0, 2, 1, 2), values(0, 2, 1, 2)], y: [0, 2, 1, 2], causal: false },
];

/**
 * y = softmax(scale·q·kᵀ + mask)·v for each head (Vaswani et al. 2017): [batch, queries, heads, valueDepth], and for each
 * query the logarithm of its sum of exponentials, [batch, heads, queries]. Operands: `Operands`, in that order. A mask of
 * bools says which keys a query may see; one of floats is added. A query that may see nothing gives zeros, and −∞.
 */
export const attention: FusedOp<AttentionParams, readonly Tensor[]> = fused("attention", {
  dtypes: "float",
  abstract: resultsOf,
  decompose: (o, inputs, params) => {
    const operands = operandsOf(inputs);
    const [q, k, v] = sequencesOf(o, operands);
    const scores = scoresOf(o, q, k, operands.mask, params);
    // The shift cancels, so that no derivative passes through it.
    const largest = finiteShift(o, o.stopGradient(o.reduceMax(scores, { axes: [3] }), {}));
    const weights = o.exp(o.sub(scores, besideRows(o, largest)));
    const total = o.reduceSum(weights, { axes: [3] });
    const sums = o.matmul(weights, v, product(false, false));
    const averages = o.div(sums, besideRows(o, o.select(o.equal(total, 0), 1, total)));
    const { dtype } = inputs[0] as Tensor;
    return [o.convert(exchanged(o, averages), { dtype }), o.add(largest, o.log(total))];
  },
  vjp: (o, { inputs, outputs: [y, logSums], cotangents: [dy, dLogSums], wanted }, params) => {
    if (!y || !logSums) return undefined;
    const operands = operandsOf(inputs);
    const ofMask = operands.mask && wanted.at(-1) ? operands.mask : undefined;
    const others = operands.mask ? [null] : [];
    if (dy && !dLogSums && !ofMask)
      return [...o.attentionGrad([...inputs, y, logSums, dy], params), ...others];
    const { sequences, dScores } = cotangentsOf(o, operands, { y, logSums, dy, dLogSums }, params);
    if (!ofMask) return [...sequences, ...others];
    return [...sequences, o.convert(sumTo(o, dScores, ofMask.shape), { dtype: ofMask.dtype })];
  },
  batch: (o, inputs, mapped, params, size) => {
    const merged = mergeOperands(o, inputs, mapped, size, 0);
    return o.attention(merged.inputs, params).map((result) => splitBatch(o, result, size, merged.batch));
  },
  samples: () =>
    cases.map(({ inputs, causal }, i) => ({ inputs, params: { causal, scale: i % 2 === 0 ? 0.75 : 1 } })),
});

/**
 * The cotangents of attention's queries, keys and values, or of the tensor that packs them. Operands: those of
 * `attention`, its two results, and the cotangent of the first.
 */
export const attentionGrad: FusedOp<AttentionParams, readonly Tensor[]> = fused("attentionGrad", {
  dtypes: "float",
  abstract: (inputs) => {
    const { others, sequences } = operandsOf(inputs, 3);
    const expected = resultsOf(inputs.slice(0, -3));
    [expected[0], expected[1], expected[0]].forEach((aval, i) => {
      const received = others[i];
      if (received && sameShape(received.shape, aval.shape) && received.dtype === aval.dtype) return;
      throw new ShapeError(
        `attentionGrad: expected attention's results and a cotangent of the first, ${expected.map(formatAval).join(", ")}; ` +
          `received ${others.map(formatAval).join(", ")}.`,
      );
    });
    return sequences.map(({ shape, dtype }) => ({ shape, dtype }));
  },
  decompose: (o, inputs, params) => {
    const operands = operandsOf(inputs, 3);
    const [y, logSums, cotangent] = operands.others as readonly [Tensor, Tensor, Tensor];
    return cotangentsOf(o, operands, { y, logSums, dy: cotangent }, params).sequences;
  },
  batch: (o, inputs, mapped, params, size) => {
    const merged = mergeOperands(o, inputs, mapped, size, 3);
    return o.attentionGrad(merged.inputs, params).map((result) => splitBatch(o, result, size, merged.batch));
  },
  samples: () =>
    cases.map(({ inputs, y, causal }, i) => {
      const [batch = 0, queries = 0, heads = 0] = y;
      const logSums = { shape: [batch, heads, queries], computed: true, low: 1, high: 3 };
      return {
        inputs: [...inputs, values(...y), logSums, values(...y)],
        params: { causal, scale: i % 2 === 0 ? 0.75 : 1 },
      };
    }),
});
