/** Layers, initializers, activations and losses. */
export * from "./activations.ts";
export type { AffineOptions } from "./affineNormalization.ts";
export {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  multiHeadAttention,
} from "./attention.ts";
export * from "./convolution.ts";
export * from "./dense.ts";
export * from "./depthwiseConvolution.ts";
export * from "./embedding.ts";
export * from "./groupNormalization.ts";
export * from "./initializers.ts";
export * from "./layerNormalization.ts";
export * as losses from "./losses.ts";
export * from "./module.ts";
export * from "./pooling.ts";
export * from "./recurrent/index.ts";
export * from "./regularization.ts";
export * from "./rmsNormalization.ts";
export * from "./selfAttention.ts";
export * from "./sequential.ts";
export * from "./transposedConvolution.ts";
export { WeightedLayer, type WeightOptions } from "./weighted.ts";
export type { LayerWindow } from "./window.ts";
