/** Reading a sequence from both ends. */
import { add, concat, flip, mul } from "../../array/index.ts";
import { type Tensor, ValueError } from "../../core/index.ts";
import { Module } from "../module.ts";
import { Recurrent } from "./recurrent.ts";

const merges = {
  concat: (a: Tensor, b: Tensor) => concat([a, b], { axis: -1 }),
  sum: (a: Tensor, b: Tensor) => add(a, b),
  mul: (a: Tensor, b: Tensor) => mul(a, b),
  ave: (a: Tensor, b: Tensor) => mul(add(a, b), 0.5),
} as const;

/** Options of a bidirectional layer. */
export interface BidirectionalOptions {
  /** The layer that reads forwards; another of its kind, with weights of its own, reads backwards. */
  readonly layer: Recurrent;
  /** How the two outputs of a step become one; default "concat". */
  readonly mergeMode?: keyof typeof merges;
}

/**
 * A recurrent layer and its like that reads from the end (Schuster & Paliwal 1997): each step sees all others.
 * [batch, time, inputs] → the merged outputs, of all steps where the layer returns sequences.
 * Throws ValueError for a layer that is not recurrent, or an unknown way to merge.
 * @example
 * nn.bidirectional({ layer: nn.lstm({ units: 8 }) }).call(ng.ones([2, 5, 4])).shape; // [2, 16]
 */
export class Bidirectional extends Module {
  readonly forwards: Recurrent;
  readonly backwards: Recurrent;
  readonly mergeMode: keyof typeof merges;

  constructor({ layer, mergeMode = "concat" }: BidirectionalOptions) {
    super();
    if (!(layer instanceof Recurrent)) {
      throw new ValueError(
        `Bidirectional: expected a recurrent layer, such as nn.lstm({ units: 8 }); received ${String(layer)}.`,
      );
    }
    if (!Object.hasOwn(merges, mergeMode)) {
      throw new ValueError(
        `Bidirectional: expected mergeMode to be one of ${Object.keys(merges).join(", ")}; received ${JSON.stringify(mergeMode)}.`,
      );
    }
    this.forwards = layer;
    this.backwards = layer.reversed();
    this.mergeMode = mergeMode;
  }

  override forward(x: Tensor): Tensor {
    const behind = this.backwards.call(x);
    const aligned = this.forwards.returnSequences ? flip(behind, 1) : behind;
    return merges[this.mergeMode](this.forwards.call(x), aligned);
  }
}

/** A new `Bidirectional` layer. */
export function bidirectional(options: BidirectionalOptions): Bidirectional {
  return new Bidirectional(options);
}
