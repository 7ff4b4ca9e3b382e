import * as ng from "nagare";
import { input } from "./workload.ts";

/** What a model loses on a batch; the cross-entropy of its logits, where nothing else is said. */
export type Loss = (labels: ng.Tensor, output: ng.Tensor) => ng.Tensor;

const { nn, optim } = ng;

/** Gives the kernels of a built model, in the order of its variables, the values of the inputs kernel1, kernel2 … */
function assignKernels(model: ng.nn.Module, inputs: Readonly<Record<string, ng.Tensor>>): void {
  // The bias of a GRU has two axes.
  const kernels = model.trainableVariables().filter(({ name, shape }) => shape.length > 1 && name !== "bias");
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
  loss: Loss = nn.losses.sparseCategoricalCrossentropy,
): () => ng.Tensor {
  const [x, labels] = [input(inputs, "x"), input(inputs, "labels")];
  model.call(x);
  assignKernels(model, inputs);
  const weights = model.trainableVariables();
  const step = ng.jit((x: ng.Tensor, labels: ng.Tensor) => {
    const lossOf = (_weights: readonly ng.Variable[]) => loss(labels, model.call(x, { training: true }));
    const [value, gradients] = ng.valueAndGrad(lossOf)(weights);
    optimizer.apply(weights, gradients);
    return value;
  });
  return () => step(x, labels);
}

/**
 * A model's inference, compiled.
 * @param inputs x, and the kernels as for a training step.
 */
export function inferModel(
  model: ng.nn.Module,
  inputs: Readonly<Record<string, ng.Tensor>>,
): () => ng.Tensor {
  const x = input(inputs, "x");
  model.call(x);
  assignKernels(model, inputs);
  const infer = ng.jit((x: ng.Tensor) => model.call(x));
  return () => infer(x);
}
