import * as ng from "nagare";
import { labelledBatch } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, side, patch, width, blocks] = [32, 32, 4, 128, 4];
const patches = (side / patch) ** 2;

const mlp = (inner: number, units: number) =>
  nn.sequential([nn.dense({ units: inner, activation: "gelu" }), nn.dense({ units })]);

/** A net along the patches, then one along the channels (Tolstikhin et al. 2021). */
class MixerBlock extends nn.Module {
  readonly norm1 = nn.layerNormalization({ epsilon: 1e-5 });
  readonly along = mlp(2 * patches, patches);
  readonly norm2 = nn.layerNormalization({ epsilon: 1e-5 });
  readonly across = mlp(4 * width, width);

  override forward(x: ng.Tensor): ng.Tensor {
    const turned = this.norm1.call(x).transpose([0, 2, 1]);
    const mixed = x.add(this.along.call(turned).transpose([0, 2, 1]));
    return mixed.add(this.across.call(this.norm2.call(mixed)));
  }
}

class Mixer extends nn.Module {
  readonly patches = nn.conv2d({ filters: width, kernelSize: patch, strides: patch });
  readonly blocks = nn.sequential(Array.from({ length: blocks }, () => new MixerBlock()));
  readonly norm = nn.layerNormalization({ epsilon: 1e-5 });
  readonly head = nn.dense({ units: 10 });

  override forward(x: ng.Tensor): ng.Tensor {
    const words = this.patches.call(x).reshape([-1, patches, width]);
    return this.head.call(this.norm.call(this.blocks.call(words)).mean({ axis: 1 }));
  }
}

/** Training of a net whose matrices are multiplied along one axis and then along the other. */
export const mixer: Work = {
  name: "mixer_train_b32",
  about: "training step of an MLP-Mixer of 4 layers, width 128, 64 patches with Adam, batch 32",
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([batch, side, side, 3], 280),
    ...initialKernels(
      [
        [patch, patch, 3, width],
        ...Array.from({ length: blocks }, () => [
          [patches, 2 * patches],
          [2 * patches, patches],
          [width, 4 * width],
          [4 * width, width],
        ]).flat(),
        [width, 10],
      ],
      281,
    ),
  }),
  prepare: (inputs) => trainStep(new Mixer(), inputs),
};
