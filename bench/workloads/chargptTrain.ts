import * as ng from "nagare";
import { type InputArray, uniform } from "../harness/index.ts";
import { trainStep } from "./compiled.ts";
import { blockKernels, makeBlocks, type Stack, stackOf } from "./transformer.ts";
import { dimension, input, kernelsOf, type Size, type Workload } from "./workload.ts";

const { nn, optim } = ng;

const vocabulary = 65;
const [context, batch] = [64, 12];
/** The workload's stack, at its width or another. */
export const decoder = (width = 128): Stack => ({ blocks: 4, heads: 4, width, causal: true });

/** A decoder of characters: token and position embeddings, blocks, a norm, logits. */
export class CharGpt extends nn.Module {
  readonly tokens: ng.nn.Embedding;
  readonly positions: ng.nn.Embedding;
  readonly blocks: ng.nn.Sequential;
  readonly norm = nn.layerNormalization({ epsilon: 1e-5 });
  readonly head = nn.dense({ units: vocabulary, useBias: false });

  constructor(stack: Stack, time: number = context) {
    super();
    this.tokens = nn.embedding({ inputDim: vocabulary, outputDim: stack.width });
    this.positions = nn.embedding({ inputDim: time, outputDim: stack.width });
    this.blocks = makeBlocks(stack);
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const places = ng.arange(Number(x.shape[1]), { dtype: "int32" });
    const embedded = this.tokens.call(x).add(this.positions.call(places));
    return this.head.call(this.norm.call(this.blocks.call(embedded)));
  }
}

/** Sequences in which the next character is a function of the last: something that the net can learn. */
export function sequences(
  rows: number = batch,
  length: number = context,
): { readonly x: InputArray; readonly labels: InputArray } {
  const [x, labels] = [new Int32Array(rows * length), new Int32Array(rows * length)];
  for (let row = 0; row < rows; row += 1) {
    let token = (row * 5 + 1) % vocabulary;
    for (let time = 0; time < length; time += 1) {
      const next = (token * 7 + 3) % vocabulary;
      x[row * length + time] = token;
      labels[row * length + time] = next;
      token = next;
    }
  }
  return { x: { shape: [rows, length], data: x }, labels: { shape: [rows, length], data: labels } };
}

function sized(stack: Omit<Stack, "causal">, rows: number, time: number, name: string): Size {
  const { blocks, heads, width } = stack;
  return {
    name: `chargpt_train_${name}`,
    about: `training step of a transformer of ${blocks} layers, ${heads} heads, width ${width}, context ${time}, vocabulary ${vocabulary} with AdamW, batch ${rows}`,
    parameters: { heads },
    inputs: () => ({
      ...sequences(rows, time),
      kernel1: uniform([vocabulary, width], 60, -0.5, 0.5),
      kernel2: uniform([time, width], 61, -0.5, 0.5),
      ...blockKernels({ ...stack, causal: true }, 3),
      [`kernel${3 + 4 * blocks}`]: uniform([width, vocabulary], 59, -0.1, 0.1),
    }),
  };
}

/** Training of a small transformer: many products of middling size with little work between. */
export const chargptTrain: Workload = {
  ...sized(decoder(), batch, context, "b12"),
  others: [
    sized({ blocks: 2, heads: 2, width: 64 }, 4, 32, "small_b4"),
    sized(decoder(), 64, context, "b64"),
    sized({ blocks: 6, heads: 6, width: 384 }, 4, 256, "wide_b4"),
    sized({ blocks: 2, heads: 8, width: 512 }, 12, 64, "w512_b12"),
  ],
  unit: "ms",
  check: { kind: "losses", sameSteps: 5, tolerance: 5e-3 },
  peers: true,
  prepare(inputs, { heads }) {
    const stack = stackOf(kernelsOf(inputs).slice(2, -1), Number(heads), true);
    const model = new CharGpt(stack, dimension(input(inputs, "kernel2"), 0));
    return trainStep(model, inputs, optim.adamw(1e-3, { epsilon: 1e-8, weightDecay: 0.01 }));
  },
};
