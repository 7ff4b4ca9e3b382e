/** Activation functions by name. */

import {
  elu,
  gelu,
  leakyRelu,
  logSoftmax,
  relu,
  relu6,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from "../array/index.ts";
import { type Tensor, ValueError } from "../core/index.ts";

/** Any function from tensor to tensor of the same shape. */
export type Activation = (x: Tensor) => Tensor;

const byName = {
  linear: (x: Tensor) => x,
  relu: (x: Tensor) => relu(x),
  relu6: (x: Tensor) => relu6(x),
  leakyRelu: (x: Tensor) => leakyRelu(x),
  elu: (x: Tensor) => elu(x),
  silu: (x: Tensor) => silu(x),
  gelu: (x: Tensor) => gelu(x),
  softplus: (x: Tensor) => softplus(x),
  sigmoid: (x: Tensor) => sigmoid(x),
  tanh: (x: Tensor) => tanh(x),
  softmax: (x: Tensor) => softmax(x),
  logSoftmax: (x: Tensor) => logSoftmax(x),
} as const satisfies Readonly<Record<string, Activation>>;

/** The activations that layers accept by name. */
export type ActivationName = keyof typeof byName;

/** The names of all activations. */
export const activationNames = Object.keys(byName) as readonly ActivationName[];

/**
 * An activation by name, or the given one; "linear" hands its input through. The softmaxes run over the last axis.
 * Throws ValueError for an unknown name.
 * @example
 * nn.activation("relu")(ng.tensor([-1, 2])).toArray(); // [0, 2]
 */
export function activation(choice: ActivationName | Activation = "linear"): Activation {
  if (typeof choice === "function") return choice;
  if (!Object.hasOwn(byName, choice)) {
    throw new ValueError(
      `activation: expected a function or one of ${activationNames.join(", ")}; received ${JSON.stringify(choice)}.`,
    );
  }
  return byName[choice];
}
