/** Layers one after the other. */
import { type Tensor, ValueError } from "../core/index.ts";
import { type Activation, type ActivationName, activation as resolve } from "./activations.ts";
import { Module } from "./module.ts";

/** Applies its layers in order. */
export class Sequential extends Module {
  readonly layers: readonly Module[];

  constructor(layers: readonly Module[]) {
    super();
    if (layers.length === 0 || !layers.every((layer) => layer instanceof Module)) {
      throw new ValueError(
        `sequential: expected a list of at least one layer; received ${layers.length} item(s), not all of them layers.`,
      );
    }
    this.layers = [...layers];
  }

  override forward(x: Tensor): Tensor {
    return this.layers.reduce((value, layer) => layer.call(value), x);
  }
}

/**
 * A model that applies its layers in order.
 * @example
 * const model = nn.sequential([nn.flatten(), nn.dense({ units: 10 })]);
 */
export function sequential(layers: readonly Module[]): Sequential {
  return new Sequential(layers);
}

/** An activation function as a layer of its own. */
export class ActivationLayer extends Module {
  readonly activation: Activation;

  constructor(choice: ActivationName | Activation) {
    super();
    this.activation = resolve(choice);
  }

  override forward(x: Tensor): Tensor {
    return this.activation(x);
  }
}

/** An activation, by name or as a function, as a layer. */
export function activationLayer(choice: ActivationName | Activation): ActivationLayer {
  return new ActivationLayer(choice);
}
