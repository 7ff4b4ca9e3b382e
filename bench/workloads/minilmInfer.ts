import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { assignKernels } from "./trainStep.ts";
import { blockKernels, makeBlocks, type Stack } from "./transformer.ts";
import { input, type Workload } from "./workload.ts";

const { nn } = ng;

const stack: Stack = { blocks: 6, heads: 12, width: 384, causal: false };
const [vocabulary, batch, time] = [30522, 8, 128];

/** A sentence encoder: token embeddings, blocks, the mean over time. */
class MiniLm extends nn.Module {
  readonly tokens = nn.embedding({ inputDim: vocabulary, outputDim: stack.width });
  readonly blocks = makeBlocks(stack);

  override forward(x: ng.Tensor): ng.Tensor {
    return this.blocks.call(this.tokens.call(x)).mean({ axis: 1 });
  }
}

/** Inference with a transformer of the size that embeds sentences. */
export const minilmInfer: Workload = {
  name: "minilm_infer_b8t128",
  about: "inference of a transformer of 6 layers, 12 heads, width 384 on 8 × 128 tokens",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({
    x: {
      shape: [batch, time],
      data: Int32Array.from({ length: batch * time }, (_, i) => (i * 7919 + 13) % vocabulary),
    },
    kernel1: uniform([vocabulary, stack.width], 70, -0.5, 0.5),
    ...blockKernels(stack, 2),
  }),
  prepare(inputs) {
    const model = new MiniLm();
    const x = input(inputs, "x");
    model.call(x);
    assignKernels(model, inputs);
    const run = ng.jit((x: ng.Tensor) => model.call(x));
    return () => run(x);
  },
};
