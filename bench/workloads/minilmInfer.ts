import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { inferModel } from "./compiled.ts";
import { blockKernels, makeBlocks, type Stack, stackOf } from "./transformer.ts";
import { dimension, input, kernelsOf, type Size, type Workload } from "./workload.ts";

const { nn } = ng;

const vocabulary = 30522;

/** A sentence encoder: token embeddings, blocks, the mean over time. */
class MiniLm extends nn.Module {
  readonly tokens: ng.nn.Embedding;
  readonly blocks: ng.nn.Sequential;

  constructor(inputDim: number, stack: Stack) {
    super();
    this.tokens = nn.embedding({ inputDim, outputDim: stack.width });
    this.blocks = makeBlocks(stack);
  }

  override forward(x: ng.Tensor): ng.Tensor {
    return this.blocks.call(this.tokens.call(x)).mean({ axis: 1 });
  }
}

function sized(batch: number, time: number, name: string, width = 384, blocks = 6, heads = 12): Size {
  return {
    name: `minilm_infer_${name}`,
    about: `inference of a transformer of ${blocks} layers, ${heads} heads, width ${width} on ${batch} × ${time} tokens`,
    parameters: { heads },
    inputs: () => ({
      x: {
        shape: [batch, time],
        data: Int32Array.from({ length: batch * time }, (_, i) => (i * 7919 + 13) % vocabulary),
      },
      kernel1: uniform([vocabulary, width], 70, -0.5, 0.5),
      ...blockKernels({ blocks, heads, width, causal: false }, 2),
    }),
  };
}

/** Inference with a transformer of the size that embeds sentences. */
export const minilmInfer: Workload = {
  ...sized(8, 128, "b8t128"),
  others: [
    sized(1, 16, "b1t16"),
    sized(1, 128, "b1t128"),
    sized(32, 32, "b32t32"),
    sized(2, 512, "b2t512"),
    sized(1, 128, "bert_b1t128", 768, 4),
    sized(16, 50, "tiny_b16t50", 128, 2, 2),
  ],
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  prepare(inputs, { heads }) {
    const stack = stackOf(kernelsOf(inputs).slice(1), Number(heads), false);
    return inferModel(new MiniLm(dimension(input(inputs, "kernel1"), 0), stack), inputs);
  },
};
