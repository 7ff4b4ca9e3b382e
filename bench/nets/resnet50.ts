import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { inferModel } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";
import { around, convolution } from "./normalized.ts";

const { nn } = ng;

/** Channels within the blocks of each stage, a quarter of those that leave them, and the blocks. */
const stages = [
  [64, 3],
  [128, 4],
  [256, 6],
  [512, 3],
] as const;
const [stem, classes, expansion] = [64, 1000, 4];

/** Thinned, seen by windows, widened (He et al. 2016); the windows take the steps, as in torchvision. */
class Bottleneck extends nn.Module {
  readonly thin: ng.nn.Module;
  readonly windows: ng.nn.Module;
  readonly widen: ng.nn.Module;
  readonly shortcut: ng.nn.Module | undefined;

  constructor(filters: number, strides: number, projects: boolean) {
    super();
    this.thin = convolution(filters, 1);
    this.windows = convolution(filters, 3, strides);
    this.widen = convolution(expansion * filters, 1);
    this.shortcut = projects ? convolution(expansion * filters, 1, strides) : undefined;
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const inner = ng.relu(this.windows.call(ng.relu(this.thin.call(x))));
    return this.widen
      .call(inner)
      .add(this.shortcut?.call(x) ?? x)
      .relu();
  }
}

function resnet50(): ng.nn.Module {
  return nn.sequential([
    convolution(stem, 7, 2),
    nn.activationLayer("relu"),
    nn.maxPooling2d({ poolSize: 3, strides: 2, padding: around(3) }),
    ...stages.flatMap(([filters, blocks], stage) =>
      Array.from(
        { length: blocks },
        (_, block) => new Bottleneck(filters, stage > 0 && block === 0 ? 2 : 1, block === 0),
      ),
    ),
    nn.globalAveragePooling2d(),
    nn.dense({ units: classes }),
  ]);
}

function kernelShapes(): number[][] {
  const shapes: number[][] = [[7, 7, 3, stem]];
  let entering: number = stem;
  for (const [filters, blocks] of stages)
    for (let block = 0; block < blocks; block += 1) {
      const leaving = expansion * filters;
      shapes.push([1, 1, entering, filters], [3, 3, filters, filters], [1, 1, filters, leaving]);
      if (block === 0) shapes.push([1, 1, entering, leaving]);
      entering = leaving;
    }
  return [...shapes, [entering, classes]];
}

/** Inference of the net that most others are compared with. */
export const resnet50Infer: Work = {
  name: "resnet50_infer_b1",
  about: "inference of a ResNet-50 on one 224×224×3 image",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ x: uniform([1, 224, 224, 3], 700), ...initialKernels(kernelShapes(), 701) }),
  prepare: (inputs) => inferModel(resnet50(), inputs),
};
