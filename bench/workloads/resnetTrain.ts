import * as ng from "nagare";
import { labelledBatch } from "../harness/index.ts";
import { trainStep } from "./compiled.ts";
import { dimension, initialKernels, input, type Size, type Workload } from "./workload.ts";

const { nn, optim } = ng;

/** Channels of the three stages, from those of the first. */
const stagesOf = (width: number) => [width, 2 * width, 4 * width] as const;
/** Of each stage; all begin, but for the first, with a block that halves the image. */
const blocksPerStage = 3;

const convolution = (filters: number, kernelSize: number, strides: number) => {
  const cells = (kernelSize - 1) / 2;
  // The same cells on all sides, which is not what "same" means with strides.
  const padding = [cells, cells, cells, cells] as const;
  return nn.conv2d({ filters, kernelSize, strides, padding, useBias: false });
};
const normalization = () => nn.batchNormalization({ epsilon: 1e-5, momentum: 0.9 });

/** Two convolutions around which the input, projected where its shape changes, is added (He et al. 2016). */
class ResidualBlock extends nn.Module {
  readonly first: ng.nn.Module;
  readonly second: ng.nn.Module;
  readonly shortcut: ng.nn.Module | undefined;

  constructor(filters: number, strides: number, projects: boolean) {
    super();
    this.first = nn.sequential([
      convolution(filters, 3, strides),
      normalization(),
      nn.activationLayer("relu"),
    ]);
    this.second = nn.sequential([convolution(filters, 3, 1), normalization()]);
    this.shortcut = projects ? nn.sequential([convolution(filters, 1, strides), normalization()]) : undefined;
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const shortcut = this.shortcut?.call(x) ?? x;
    return this.second.call(this.first.call(x)).add(shortcut).relu();
  }
}

function resnet20(width: number): ng.nn.Module {
  const stages = stagesOf(width);
  const blocks = stages.flatMap((filters, stage) =>
    Array.from({ length: blocksPerStage }, (_, block) => {
      const halves = stage > 0 && block === 0;
      return new ResidualBlock(filters, halves ? 2 : 1, halves);
    }),
  );
  return nn.sequential([
    convolution(width, 3, 1),
    normalization(),
    nn.activationLayer("relu"),
    ...blocks,
    nn.globalAveragePooling2d(),
    nn.dense({ units: 10 }),
  ]);
}

/** Shapes of the kernels in the order of the network's variables. */
function kernelShapes(width: number): number[][] {
  const stages = stagesOf(width);
  const shapes: number[][] = [[3, 3, 3, width]];
  stages.forEach((filters, stage) => {
    for (let block = 0; block < blocksPerStage; block += 1) {
      const entering = block === 0 ? (stages[stage - 1] ?? filters) : filters;
      shapes.push([3, 3, entering, filters], [3, 3, filters, filters]);
      if (entering !== filters) shapes.push([1, 1, entering, filters]);
    }
  });
  shapes.push([stages[2], 10]);
  return shapes;
}

function sized(batch: number, side: number, width: number, name: string): Size {
  return {
    name: `resnet20_train_${name}`,
    about: `training step of a ResNet-20 of ${width} channels and more with batch norm on ${side}×${side}×3 images with momentum SGD, batch ${batch}`,
    inputs: () => ({
      ...labelledBatch([batch, side, side, 3], 64),
      ...initialKernels(kernelShapes(width), 70),
    }),
  };
}

/** Training of a ResNet for CIFAR: many small convolutions, and batch normalization between all of them. */
export const resnetTrain: Workload = {
  ...sized(32, 32, 16, "b32"),
  others: [
    sized(8, 32, 16, "b8"),
    sized(128, 32, 16, "b128"),
    sized(16, 32, 48, "wide_b16"),
    sized(4, 96, 16, "large_b4"),
  ],
  unit: "ms",
  // Steps this large magnify roundings: after two updates even float32 and float64 differ in the fourth digit.
  check: { kind: "losses", sameSteps: 2, tolerance: 1e-2 },
  peers: true,
  prepare(inputs) {
    const width = dimension(input(inputs, "kernel1"), -1);
    return trainStep(resnet20(width), inputs, optim.sgd(0.1, { momentum: 0.9 }));
  },
};
