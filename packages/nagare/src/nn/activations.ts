/** Activation functions by name. */

import { gelu, logSoftmax, relu, sigmoid, softmax, tanh } from "../array/index.ts";
import { type Tensor, ValueError } from "../core/index.ts";

/** The activations that layers accept by name. */
export type ActivationName = "linear" | "relu" | "sigmoid" | "tanh" | "gelu" | "softmax" | "logSoftmax";

/** Any function from tensor to tensor of the same shape. */
export type Activation = (x: Tensor) => Tensor;

const byName: { readonly [K in ActivationName]: Activation } = {
  linear: (x) => x,
  relu: (x) => relu(x),
  sigmoid: (x) => sigmoid(x),
  tanh: (x) => tanh(x),
  gelu: (x) => gelu(x),
  softmax: (x) => softmax(x),
  logSoftmax: (x) => logSoftmax(x),
};

/** An activation by name, or the given one. Throws ValueError for an unknown name. */
export function activation(choice: ActivationName | Activation = "linear"): Activation {
  if (typeof choice === "function") return choice;
  if (!Object.hasOwn(byName, choice)) {
    throw new ValueError(
      `activation: expected one of ${Object.keys(byName).join(", ")}; received ${JSON.stringify(choice)}.`,
    );
  }
  return byName[choice];
}
