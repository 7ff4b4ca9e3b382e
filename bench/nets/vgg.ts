import * as ng from "nagare";
import { labelledBatch, uniform } from "../harness/index.ts";
import { inferModel, trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

/** Channels of the convolutions between two poolings. */
const stages = [[64], [128], [256, 256], [512, 512], [512, 512]] as const;
const [inner, classes] = [1024, 10];

function vgg(): ng.nn.Module {
  return nn.sequential([
    ...stages.flatMap((stage) => [
      ...stage.map((filters) => nn.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu" })),
      nn.maxPooling2d({ poolSize: 2 }),
    ]),
    nn.flatten(),
    nn.dense({ units: inner, activation: "relu" }),
    nn.dense({ units: inner, activation: "relu" }),
    nn.dense({ units: classes }),
  ]);
}

function kernelShapes(side: number): number[][] {
  const filters = stages.flat();
  const cells = (side / 2 ** stages.length) ** 2;
  return [
    ...filters.map((count, i) => [3, 3, filters[i - 1] ?? 3, count]),
    [cells * (filters.at(-1) ?? 3), inner],
    [inner, inner],
    [inner, classes],
  ];
}

/** Inference of wide convolutions and of dense layers that are all weights. */
export const vggInfer: Work = {
  name: "vgg11_infer_b1",
  about: `inference of VGG-11 with dense layers of ${inner} on one 128×128×3 image`,
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ x: uniform([1, 128, 128, 3], 760), ...initialKernels(kernelShapes(128), 761) }),
  prepare: (inputs) => inferModel(vgg(), inputs),
};

/** Their training. */
export const vggTrain: Work = {
  name: "vgg11_train_b16",
  about: `training step of VGG-11 with dense layers of ${inner} on 32×32×3 images with Adam, batch 16`,
  unit: "ms",
  // Adam's first step moves every weight as far, and by a gradient that is all but zero in the direction of its rounding.
  check: { kind: "losses", sameSteps: 1, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({ ...labelledBatch([16, 32, 32, 3], 780), ...initialKernels(kernelShapes(32), 781) }),
  prepare: (inputs) => trainStep(vgg(), inputs),
};
