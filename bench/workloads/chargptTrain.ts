import * as ng from "nagare";
import { type InputArray, uniform } from "../harness/index.ts";
import { trainStep } from "./trainStep.ts";
import { blockKernels, makeBlocks, type Stack } from "./transformer.ts";
import type { Workload } from "./workload.ts";

const { nn, optim } = ng;

const stackOf = (width: number): Stack => ({ blocks: 4, heads: 4, width, causal: true });
const stack = stackOf(128);
const [vocabulary, context, batch] = [65, 64, 12];

/** A decoder of characters: token and position embeddings, blocks, a norm, logits. */
export class CharGpt extends nn.Module {
  readonly tokens: ng.nn.Embedding;
  readonly positions: ng.nn.Embedding;
  readonly blocks: ng.nn.Sequential;
  readonly norm = nn.layerNormalization({ epsilon: 1e-5 });
  readonly head = nn.dense({ units: vocabulary, useBias: false });

  constructor(width: number = stack.width) {
    super();
    this.tokens = nn.embedding({ inputDim: vocabulary, outputDim: width });
    this.positions = nn.embedding({ inputDim: context, outputDim: width });
    this.blocks = makeBlocks(stackOf(width));
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const places = ng.arange(Number(x.shape[1]), { dtype: "int32" });
    const embedded = this.tokens.call(x).add(this.positions.call(places));
    return this.head.call(this.norm.call(this.blocks.call(embedded)));
  }
}

/** Sequences in which the next character is a function of the last: something that the net can learn. */
export function sequences(): { readonly x: InputArray; readonly labels: InputArray } {
  const [x, labels] = [new Int32Array(batch * context), new Int32Array(batch * context)];
  for (let row = 0; row < batch; row += 1) {
    let token = (row * 5 + 1) % vocabulary;
    for (let time = 0; time < context; time += 1) {
      const next = (token * 7 + 3) % vocabulary;
      x[row * context + time] = token;
      labels[row * context + time] = next;
      token = next;
    }
  }
  return { x: { shape: [batch, context], data: x }, labels: { shape: [batch, context], data: labels } };
}

/** Training of a small transformer: many products of middling size with little work between. */
export const chargptTrain: Workload = {
  name: "chargpt_train_b12",
  about:
    "training step of a transformer of 4 layers, 4 heads, width 128, context 64, vocabulary 65 with AdamW, batch 12",
  unit: "ms",
  check: { kind: "losses", sameSteps: 5, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    ...sequences(),
    kernel1: uniform([vocabulary, stack.width], 60, -0.5, 0.5),
    kernel2: uniform([context, stack.width], 61, -0.5, 0.5),
    ...blockKernels(stack, 3),
    [`kernel${3 + 4 * stack.blocks}`]: uniform([stack.width, vocabulary], 59, -0.1, 0.1),
  }),
  prepare(inputs) {
    return trainStep(new CharGpt(), inputs, optim.adamw(1e-3, { epsilon: 1e-8, weightDecay: 0.01 }));
  },
};
