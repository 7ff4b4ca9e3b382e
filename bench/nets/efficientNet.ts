import * as ng from "nagare";
import { labelledBatch, uniform } from "../harness/index.ts";
import { inferModel, trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";
import { around, convolution, normalized } from "./normalized.ts";

const { nn } = ng;

/** Channels of the first convolution, and of the one before the mean. */
const [stem, head] = [16, 256];
/** Channels within a block as a multiple of those that enter, which are a multiple of those that weigh channels. */
const [expansion, reduction] = [4, 4];
/** Channels that leave each block, the steps of its windows, and their side. */
const blocks = [
  [24, 2, 3],
  [24, 1, 3],
  [40, 2, 5],
  [40, 1, 5],
  [80, 2, 3],
  [80, 1, 5],
] as const;

/** Channels weighed by what a small net sees in their means (Hu et al. 2018). */
class SqueezeExcitation extends nn.Module {
  readonly squeeze: ng.nn.Dense;
  readonly excite: ng.nn.Dense;

  constructor(channels: number, inner: number) {
    super();
    this.squeeze = nn.dense({ units: inner, activation: "silu" });
    this.excite = nn.dense({ units: channels, activation: "sigmoid" });
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const weights = this.excite.call(this.squeeze.call(x.mean({ axis: [1, 2] })));
    return x.mul(weights.expandDims(1).expandDims(1));
  }
}

/** An inverted residual whose channels are weighed before it is thinned (Tan and Le 2019). */
class Block extends nn.Module {
  readonly widen: ng.nn.Module;
  readonly windows: ng.nn.Module;
  readonly weigh: ng.nn.Module;
  readonly thin: ng.nn.Module;
  readonly #adds: boolean;

  constructor(entering: number, filters: number, strides: number, kernelSize: number) {
    super();
    this.widen = convolution(expansion * entering, 1);
    this.windows = normalized(
      nn.depthwiseConv2d({ kernelSize, strides, padding: around(kernelSize), useBias: false }),
    );
    this.weigh = new SqueezeExcitation(expansion * entering, entering / reduction);
    this.thin = convolution(filters, 1);
    this.#adds = entering === filters && strides === 1;
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const seen = ng.silu(this.windows.call(ng.silu(this.widen.call(x))));
    const y = this.thin.call(this.weigh.call(seen));
    return this.#adds ? x.add(y) : y;
  }
}

const silu = () => nn.activationLayer("silu");
const enteringOf = (block: number): number => blocks[block - 1]?.[0] ?? stem;

function efficientNet(): ng.nn.Module {
  return nn.sequential([
    convolution(stem, 3, 2),
    silu(),
    ...blocks.map(([filters, strides, size], i) => new Block(enteringOf(i), filters, strides, size)),
    convolution(head, 1),
    silu(),
    nn.globalAveragePooling2d(),
    nn.dense({ units: 10 }),
  ]);
}

function kernelShapes(): number[][] {
  const shapes: number[][] = [[3, 3, 3, stem]];
  blocks.forEach(([filters, , size], block) => {
    const entering = enteringOf(block);
    const [wide, inner] = [expansion * entering, entering / reduction];
    shapes.push([1, 1, entering, wide], [size, size, wide, 1]);
    shapes.push([wide, inner], [inner, wide], [1, 1, wide, filters]);
  });
  return [...shapes, [1, 1, enteringOf(blocks.length), head], [head, 10]];
}

/** Training of depthwise windows of two sizes whose channels are weighed. */
export const efficientNetTrain: Work = {
  name: "efficientnet_train_b16",
  about:
    "training step of a small EfficientNet with squeeze and excitation on 64×64×3 images with momentum SGD, batch 16",
  unit: "ms",
  check: { kind: "losses", sameSteps: 2, tolerance: 1e-2 },
  peers: true,
  inputs: () => ({ ...labelledBatch([16, 64, 64, 3], 620), ...initialKernels(kernelShapes(), 621) }),
  prepare: (inputs) => trainStep(efficientNet(), inputs, ng.optim.sgd(0.1, { momentum: 0.9 })),
};

/** The same at inference. */
export const efficientNetInfer: Work = {
  name: "efficientnet_infer_b1",
  about: "inference of a small EfficientNet on one 128×128×3 image",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ x: uniform([1, 128, 128, 3], 660), ...initialKernels(kernelShapes(), 661) }),
  prepare: (inputs) => inferModel(efficientNet(), inputs),
};
