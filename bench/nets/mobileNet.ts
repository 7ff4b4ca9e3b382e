import * as ng from "nagare";
import { labelledBatch, uniform } from "../harness/index.ts";
import { inferModel, trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";
import { around, convolution, normalized } from "./normalized.ts";

const { nn } = ng;

/** Channels of the first convolution, and of the one before the mean. */
const [stem, head] = [16, 256];
/** Channels within a block, as a multiple of those that enter. */
const expansion = 4;
/** Channels that leave each block, and the steps of its windows. */
const blocks = [
  [24, 2],
  [24, 1],
  [32, 2],
  [32, 1],
  [64, 2],
  [64, 1],
] as const;

/** A thin input is widened, seen by windows channel by channel, and thinned again (Sandler et al. 2018). */
class InvertedResidual extends nn.Module {
  readonly widen: ng.nn.Module;
  readonly windows: ng.nn.Module;
  readonly thin: ng.nn.Module;
  readonly #adds: boolean;

  constructor(entering: number, filters: number, strides: number) {
    super();
    this.widen = convolution(expansion * entering, 1);
    this.windows = normalized(
      nn.depthwiseConv2d({ kernelSize: 3, strides, padding: around(3), useBias: false }),
    );
    this.thin = convolution(filters, 1);
    this.#adds = entering === filters && strides === 1;
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const y = this.thin.call(ng.relu6(this.windows.call(ng.relu6(this.widen.call(x)))));
    return this.#adds ? x.add(y) : y;
  }
}

const relu6 = () => nn.activationLayer("relu6");

function mobileNet(): ng.nn.Module {
  return nn.sequential([
    convolution(stem, 3, 2),
    relu6(),
    ...blocks.map(
      ([filters, strides], i) => new InvertedResidual(blocks[i - 1]?.[0] ?? stem, filters, strides),
    ),
    convolution(head, 1),
    relu6(),
    nn.globalAveragePooling2d(),
    nn.dense({ units: 10 }),
  ]);
}

function kernelShapes(): number[][] {
  const shapes: number[][] = [[3, 3, 3, stem]];
  let entering: number = stem;
  for (const [filters] of blocks) {
    const wide = expansion * entering;
    shapes.push([1, 1, entering, wide], [3, 3, wide, 1], [1, 1, wide, filters]);
    entering = filters;
  }
  return [...shapes, [1, 1, entering, head], [head, 10]];
}

/** Training of a net of thin layers and depthwise convolutions, which have little arithmetic for their memory. */
export const mobileNetTrain: Work = {
  name: "mobilenet_train_b16",
  about: "training step of a small MobileNetV2 on 64×64×3 images with momentum SGD, batch 16",
  unit: "ms",
  check: { kind: "losses", sameSteps: 2, tolerance: 1e-2 },
  peers: true,
  inputs: () => ({ ...labelledBatch([16, 64, 64, 3], 200), ...initialKernels(kernelShapes(), 201) }),
  prepare: (inputs) => trainStep(mobileNet(), inputs, ng.optim.sgd(0.1, { momentum: 0.9 })),
};

/** The same at inference, where batch normalization is a factor and an offset for each channel. */
export const mobileNetInfer: Work = {
  name: "mobilenet_infer_b1",
  about: "inference of a small MobileNetV2 on one 128×128×3 image",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ x: uniform([1, 128, 128, 3], 230), ...initialKernels(kernelShapes(), 231) }),
  prepare: (inputs) => inferModel(mobileNet(), inputs),
};
