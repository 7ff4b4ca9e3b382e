import * as ng from "nagare";
import { labelledBatch, uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { blockKernels, makeBlocks, type Stack } from "../workloads/transformer.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn, optim } = ng;

const stack: Stack = { blocks: 4, heads: 3, width: 192, causal: false };
const [batch, side, patch] = [32, 32, 4];
const patches = (side / patch) ** 2;

/** Patches of an image are the words of a transformer (Dosovitskiy et al. 2021); here their mean is classified. */
class VisionTransformer extends nn.Module {
  readonly patches = nn.conv2d({ filters: stack.width, kernelSize: patch, strides: patch });
  readonly positions = nn.embedding({ inputDim: patches, outputDim: stack.width });
  readonly blocks = makeBlocks(stack);
  readonly norm = nn.layerNormalization({ epsilon: 1e-5 });
  readonly head = nn.dense({ units: 10 });

  override forward(x: ng.Tensor): ng.Tensor {
    const words = this.patches.call(x).reshape([-1, patches, stack.width]);
    const placed = words.add(this.positions.call(ng.arange(patches, { dtype: "int32" })));
    return this.head.call(this.norm.call(this.blocks.call(placed)).mean({ axis: 1 }));
  }
}

/** Training of a transformer on images. */
export const visionTransformer: Work = {
  name: "vit_train_b32",
  about:
    "training step of a vision transformer of 4 layers, 3 heads, width 192, 64 patches with AdamW, batch 32",
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  parameters: { heads: stack.heads },
  inputs: () => ({
    ...labelledBatch([batch, side, side, 3], 240),
    ...initialKernels([[patch, patch, 3, stack.width]], 241),
    kernel2: uniform([patches, stack.width], 242, -0.1, 0.1),
    ...blockKernels(stack, 3),
    ...initialKernels([[stack.width, 10]], 243, 3 + 4 * stack.blocks),
  }),
  prepare: (inputs) =>
    trainStep(new VisionTransformer(), inputs, optim.adamw(1e-3, { epsilon: 1e-8, weightDecay: 0.01 })),
};
