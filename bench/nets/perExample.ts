import * as ng from "nagare";
import { labelledBatch } from "../harness/index.ts";
import { initialKernels, input, kernelsOf, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, side, limit] = [32, 28, 1];

function lossOf(kernels: readonly ng.Tensor[], image: ng.Tensor, label: ng.Tensor): ng.Tensor {
  const [kernel1, kernel2, kernel3] = kernels as [ng.Tensor, ng.Tensor, ng.Tensor];
  const first = ng.maxPool2d(ng.conv2d(image.expandDims(0), kernel1).relu(), { window: 2 });
  const second = ng.maxPool2d(ng.conv2d(first, kernel2).relu(), { window: 2 });
  return nn.losses.sparseCategoricalCrossentropy(
    label.expandDims(0),
    second.reshape([1, -1]).matmul(kernel3),
  );
}

/** The mean of gradients of which none is longer than `limit` (Abadi et al. 2016). */
export const perExample: Work = {
  name: "dpsgd_grad_b32",
  about: `gradients of two convolutions and a dense layer for each of ${batch} images, clipped and averaged`,
  unit: "ms",
  check: { kind: "values", tolerance: 1e-3 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([batch, side, side, 1], 870),
    ...initialKernels(
      [
        [3, 3, 1, 16],
        [3, 3, 16, 32],
        [800, 10],
      ],
      871,
    ),
  }),
  prepare(inputs) {
    const kernels = kernelsOf(inputs);
    const [x, labels] = [input(inputs, "x"), input(inputs, "labels")];
    const gradients = ng.vmap(ng.grad(lossOf), { inAxes: [null, 0, 0] });
    const step = ng.jit((kernels: readonly ng.Tensor[], x: ng.Tensor, labels: ng.Tensor) => {
      const each = gradients(kernels, x, labels).map((one) => one.reshape([batch, -1]));
      const all = ng.concat(each, { axis: 1 });
      const norms = all.square().sum({ axis: 1, keepDims: true }).sqrt();
      return all.mul(ng.minimum(ng.div(limit, norms), 1)).mean({ axis: 0 });
    });
    return () => step(kernels, x, labels);
  },
};
