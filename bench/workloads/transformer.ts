/** Transformers as the two workloads train and run them. */
import * as ng from "nagare";
import type { InputArray } from "../harness/index.ts";
import { dimension, initialKernels } from "./workload.ts";

const { nn } = ng;

/** Of the packed projection of attention, of its output, and of the two layers behind it. */
const kernelsPerBlock = 4;

/** Sizes of a stack of blocks. */
export interface Stack {
  readonly blocks: number;
  readonly heads: number;
  readonly width: number;
  readonly causal: boolean;
}

/** x + attention(norm(x)), then x + dense(gelu(dense(norm(x)))), the inner one four times as wide. */
class Block extends nn.Module {
  readonly norm1 = nn.layerNormalization({ epsilon: 1e-5 });
  readonly attention: ng.nn.SelfAttention;
  readonly norm2 = nn.layerNormalization({ epsilon: 1e-5 });
  readonly wide: ng.nn.Dense;
  readonly narrow: ng.nn.Dense;

  constructor({ width, heads, causal }: Stack) {
    super();
    this.attention = nn.selfAttention({ heads, units: width, causal });
    this.wide = nn.dense({ units: 4 * width, activation: "gelu" });
    this.narrow = nn.dense({ units: width });
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const attended = x.add(this.attention.call(this.norm1.call(x)));
    return attended.add(this.narrow.call(this.wide.call(this.norm2.call(attended))));
  }
}

/** The stack that kernels of `blockKernels` are of. */
export function stackOf(kernels: readonly ng.Tensor[], heads: number, causal: boolean): Stack {
  const [packed] = kernels;
  if (!packed || kernels.length % kernelsPerBlock !== 0)
    throw new Error(`expected ${kernelsPerBlock} kernels a block; received ${kernels.length}.`);
  return { blocks: kernels.length / kernelsPerBlock, heads, width: dimension(packed, 0), causal };
}

/** The blocks of a stack, one after the other. */
export function makeBlocks(stack: Stack): ng.nn.Sequential {
  return nn.sequential(Array.from({ length: stack.blocks }, () => new Block(stack)));
}

/** Initial kernels of the blocks, in the order of their variables, as the inputs kernel{first}, kernel{first + 1} … */
export function blockKernels({ blocks, width }: Stack, first: number): Record<string, InputArray> {
  const shapes = [
    [width, 3 * width],
    [width, width],
    [width, 4 * width],
    [4 * width, width],
  ];
  const all = Array.from({ length: blocks }, () => shapes).flat();
  return initialKernels(all, 100, first);
}
