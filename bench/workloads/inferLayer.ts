import * as ng from "nagare";
import { input } from "./workload.ts";

/** Square images in words. */
export function imagesOf(side: number, batch: number): string {
  return batch === 1 ? `one ${side}×${side} image` : `${batch} ${side}×${side} images`;
}

/**
 * A compiled layer at inference.
 * @param inputs x, and the layer's kernel; its bias stays zero.
 */
export function inferLayer(
  layer: ng.nn.WeightedLayer,
  inputs: Readonly<Record<string, ng.Tensor>>,
): () => ng.Tensor {
  const x = input(inputs, "x");
  layer.call(x);
  layer.kernel?.assign(input(inputs, "kernel"));
  const infer = ng.jit((x: ng.Tensor) => layer.call(x));
  return () => infer(x);
}
