import * as ng from "nagare";
import { labelledBatch } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, side, stem, growth, layersPerBlock, blocks] = [16, 32, 24, 12, 6, 3];

const normalization = () => nn.batchNormalization({ epsilon: 1e-5, momentum: 0.9 });
const activated = (layer: ng.nn.Module) =>
  nn.sequential([normalization(), nn.activationLayer("relu"), layer]);
const convolution = (filters: number, kernelSize: number) =>
  nn.conv2d({ filters, kernelSize, padding: "same", useBias: false });

/** What a layer finds is joined to all that was found before it (Huang et al. 2017). */
class DenseLayer extends nn.Module {
  readonly find = activated(convolution(growth, 3));

  override forward(x: ng.Tensor): ng.Tensor {
    return ng.concat([x, this.find.call(x)], { axis: -1 });
  }
}

/** Channels before each block, and behind the last one. */
const widths = Array.from({ length: blocks }).reduce<number[]>(
  (found) => {
    const joined = (found.at(-1) ?? stem) + layersPerBlock * growth;
    return [...found, found.length < blocks ? joined / 2 : joined];
  },
  [stem],
);

function denseNet(): ng.nn.Module {
  const parts = widths
    .slice(1)
    .flatMap((width, block) => [
      ...Array.from({ length: layersPerBlock }, () => new DenseLayer()),
      ...(block + 1 < blocks
        ? [activated(convolution(width, 1)), nn.averagePooling2d({ poolSize: 2 })]
        : [normalization(), nn.activationLayer("relu")]),
    ]);
  return nn.sequential([
    convolution(stem, 3),
    ...parts,
    nn.globalAveragePooling2d(),
    nn.dense({ units: 10 }),
  ]);
}

function kernelShapes(): number[][] {
  const shapes = [[3, 3, 3, stem]];
  widths.slice(0, -1).forEach((width, block) => {
    for (let layer = 0; layer < layersPerBlock; layer += 1)
      shapes.push([3, 3, width + layer * growth, growth]);
    const joined = width + layersPerBlock * growth;
    if (block + 1 < blocks) shapes.push([1, 1, joined, joined / 2]);
  });
  return [...shapes, [widths.at(-1) ?? stem, 10]];
}

/** Training of a net that joins channels before every layer. */
export const denseNetTrain: Work = {
  name: "densenet_train_b16",
  about: `training step of a DenseNet of ${blocks} × ${layersPerBlock} layers that add ${growth} channels, ${side}×${side}×3 images with momentum SGD, batch ${batch}`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 2, tolerance: 1e-2 },
  peers: true,
  inputs: () => ({ ...labelledBatch([batch, side, side, 3], 600), ...initialKernels(kernelShapes(), 601) }),
  prepare: (inputs) => trainStep(denseNet(), inputs, ng.optim.sgd(0.1, { momentum: 0.9 })),
};
