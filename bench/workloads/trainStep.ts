import * as ng from "nagare";
import { input } from "./workload.ts";

const { nn, optim } = ng;

/** Gives the kernels of a built model, in the order of its variables, the values of the inputs kernel1, kernel2 … */
export function assignKernels(model: ng.nn.Module, inputs: Readonly<Record<string, ng.Tensor>>): void {
  const kernels = model.trainableVariables().filter((weight) => weight.shape.length > 1);
  kernels.forEach((kernel, index) => {
    kernel.assign(input(inputs, `kernel${index + 1}`));
  });
}

/**
 * One training step on one batch, compiled: forward, backward, the optimizer. Returns the loss before the update.
 * @param inputs x, labels, and the initial kernels kernel1, kernel2 … of the layers that have one.
 */
export function trainStep(
  model: ng.nn.Module,
  inputs: Readonly<Record<string, ng.Tensor>>,
  optimizer: ng.optim.Optimizer = optim.adam(1e-3, { epsilon: 1e-8 }),
): () => ng.Tensor {
  const [x, labels] = [input(inputs, "x"), input(inputs, "labels")];
  model.call(x);
  assignKernels(model, inputs);
  const weights = model.trainableVariables();
  const step = ng.jit((x: ng.Tensor, labels: ng.Tensor) => {
    const lossOf = (_weights: readonly ng.Variable[]) =>
      nn.losses.sparseCategoricalCrossentropy(labels, model.call(x, { training: true }));
    const [loss, gradients] = ng.valueAndGrad(lossOf)(weights);
    optimizer.apply(weights, gradients);
    return loss;
  });
  return () => step(x, labels);
}
