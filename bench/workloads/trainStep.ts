import * as ng from "nagare";
import { input } from "./workload.ts";

const { nn, optim } = ng;

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
  const weights = model.trainableVariables();
  const kernels = weights.filter((weight) => weight.shape.length > 1);
  kernels.forEach((kernel, index) => {
    kernel.assign(input(inputs, `kernel${index + 1}`));
  });
  const step = ng.jit((x: ng.Tensor, labels: ng.Tensor) => {
    const lossOf = (_weights: readonly ng.Variable[]) =>
      nn.losses.sparseCategoricalCrossentropy(labels, model.call(x, { training: true }));
    const [loss, gradients] = ng.valueAndGrad(lossOf)(weights);
    optimizer.apply(weights, gradients);
    return loss;
  });
  return () => step(x, labels);
}
