/** Attention with several heads. */

import { reshape, scaledDotProductAttention } from "../array/index.ts";
import { checkCount, formatAval, ShapeError, type Tensor, ValueError } from "../core/index.ts";
import { Dense } from "./dense.ts";
import { Module } from "./module.ts";
import type { WeightOptions } from "./weighted.ts";

/** Options of attention with several heads. */
export interface MultiHeadAttentionOptions extends Omit<WeightOptions, "activation"> {
  /** Number of heads. */
  readonly heads: number;
  /** Width of the output. */
  readonly units: number;
  /** Length of the queries and keys of one head; default units / heads. */
  readonly keyDim?: number;
  /** Length of the values of one head; default keyDim. */
  readonly valueDim?: number;
  /** Whether query i sees keys 0 … i only; default false. */
  readonly causal?: boolean;
}

/** The length of one head's queries and keys. */
export function headSize(heads: number, units: number, keyDim: number | undefined, where: string): number {
  const size = keyDim ?? checkCount(units, 1, `${where}: units`) / heads;
  if (Number.isInteger(size)) return checkCount(size, 1, `${where}: keyDim`);
  throw new ValueError(
    `${where}: expected units to be a multiple of heads; received ${units} and ${heads}. ` +
      "For heads of another size give keyDim.",
  );
}

/**
 * Each head attends with queries, keys and values of its own, made by dense layers; another one joins what they find
 * (Vaswani et al. 2017). Queries [batch, queries, …], keys and values [batch, keys, …] → [batch, queries, units].
 * `call(x)` is self-attention, which `selfAttention` does with one product less work; `callAll([query, key, value, mask])` attends elsewhere: a missing value is the key, a
 * missing key the query, and the mask is that of `ng.scaledDotProductAttention`.
 * Throws ValueError for impossible options, ShapeError for inputs that are no sequences.
 * @example
 * const layer = nn.multiHeadAttention({ heads: 4, units: 64, causal: true });
 * layer.call(ng.ones([2, 16, 64])).shape; // [2, 16, 64]
 * layer.callAll([ng.ones([2, 3, 64]), ng.ones([2, 16, 32])]).shape; // [2, 3, 64]
 */
export class MultiHeadAttention extends Module {
  readonly heads: number;
  readonly causal: boolean;
  readonly query: Dense;
  readonly key: Dense;
  readonly value: Dense;
  readonly output: Dense;

  constructor({ heads, units, keyDim, valueDim, causal = false, ...weights }: MultiHeadAttentionOptions) {
    super();
    this.heads = checkCount(heads, 1, "MultiHeadAttention: heads");
    this.causal = causal;
    const keySize = headSize(heads, units, keyDim, "MultiHeadAttention");
    const valueSize = checkCount(valueDim ?? keySize, 1, "MultiHeadAttention: valueDim");
    this.query = new Dense(heads * keySize, weights);
    this.key = new Dense(heads * keySize, weights);
    this.value = new Dense(heads * valueSize, weights);
    this.output = new Dense(units, weights);
  }

  override forward(query: Tensor, key = query, value = key, mask?: Tensor): Tensor {
    for (const sequence of [query, key, value]) checkSequence(sequence);
    const split = (x: Tensor) => reshape(x, [...x.shape.slice(0, 2), this.heads, -1]);
    const found = scaledDotProductAttention(
      split(this.query.call(query)),
      split(this.key.call(key)),
      split(this.value.call(value)),
      { causal: this.causal, ...(mask ? { mask } : {}) },
    );
    return this.output.call(reshape(found, [...found.shape.slice(0, 2), -1]));
  }
}

function checkSequence(x: Tensor): void {
  if (x.rank === 3) return;
  throw new ShapeError(
    `MultiHeadAttention: expected sequences [batch, time, width]; received ${formatAval(x)}.`,
  );
}

/** A new `MultiHeadAttention` layer. */
export function multiHeadAttention(options: MultiHeadAttentionOptions): MultiHeadAttention {
  return new MultiHeadAttention(options);
}
