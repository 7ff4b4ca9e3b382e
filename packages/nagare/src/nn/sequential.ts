/** Layers one after the other. */
import { type Tensor, ValueError } from "../core/index.ts";
import { type Activation, type ActivationName, activation as resolve } from "./activations.ts";
import { Module } from "./module.ts";

/** Applies its layers in order. Throws ValueError for an empty list and for what is no layer. */
export class Sequential extends Module {
  readonly layers: readonly Module[];

  constructor(layers: readonly Module[]) {
    super();
    if (!Array.isArray(layers) || layers.length === 0) {
      throw new ValueError(
        `sequential: expected a list of at least one layer; received ${Array.isArray(layers) ? "an empty one" : String(layers)}.`,
      );
    }
    const stranger = layers.findIndex((layer) => !(layer instanceof Module));
    if (stranger >= 0) {
      throw new ValueError(
        `sequential: expected layers, such as nn.dense({ units: 10 }); received ${String(layers[stranger])} at index ${stranger}. ` +
          `For an activation use nn.activationLayer("relu").`,
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

/**
 * An activation, by name or as a function, as a layer.
 * @example
 * nn.sequential([nn.dense({ units: 8 }), nn.batchNormalization(), nn.activationLayer("relu")]);
 */
export function activationLayer(choice: ActivationName | Activation): ActivationLayer {
  return new ActivationLayer(choice);
}
