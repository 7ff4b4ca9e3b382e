/** Attention of a sequence to itself. */

import { selfAttention as attend } from "../array/index.ts";
import { checkCount, formatAval, ShapeError, type Tensor } from "../core/index.ts";
import { headSize, type MultiHeadAttentionOptions } from "./attention.ts";
import { Dense } from "./dense.ts";
import { Module } from "./module.ts";

/** Options of self-attention. */
export type SelfAttentionOptions = Omit<MultiHeadAttentionOptions, "valueDim">;

/**
 * What `MultiHeadAttention` does with one sequence, of weights that lie side by side: one product makes all heads'
 * queries, keys and values, and attention reads them where they are. [batch, time, width] → [batch, time, units].
 * Throws ValueError for impossible options, ShapeError for an input that is no sequence.
 * @example
 * nn.selfAttention({ heads: 4, units: 64, causal: true }).call(ng.ones([2, 16, 64])).shape; // [2, 16, 64]
 */
export class SelfAttention extends Module {
  readonly heads: number;
  readonly causal: boolean;
  /** Makes [batch, time, 3·heads·keyDim]: queries, then keys, then values. */
  readonly projection: Dense;
  readonly output: Dense;

  constructor({ heads, units, keyDim, causal = false, ...weights }: SelfAttentionOptions) {
    super();
    this.heads = checkCount(heads, 1, "SelfAttention: heads");
    this.causal = causal;
    this.projection = new Dense(3 * heads * headSize(heads, units, keyDim, "SelfAttention"), weights);
    this.output = new Dense(units, weights);
  }

  override forward(x: Tensor): Tensor {
    if (x.rank !== 3) {
      throw new ShapeError(
        `SelfAttention: expected a sequence [batch, time, width]; received ${formatAval(x)}.`,
      );
    }
    const packed = this.projection.call(x);
    return this.output.call(attend(packed, { heads: this.heads, causal: this.causal }));
  }
}

/** A new `SelfAttention` layer. */
export function selfAttention(options: SelfAttentionOptions): SelfAttention {
  return new SelfAttention(options);
}
