/** NumPy's vocabulary on tensors: composites of primitives, and the primitives that need no more than their name. */
import "./methods.ts";

export * from "./activation.ts";
export * from "./attention.ts";
export * from "./creation.ts";
export type { DTypeOption, Element } from "./element.ts";
export * from "./elementwise.ts";
export * from "./images.ts";
export * from "./indexing.ts";
export * from "./join.ts";
export * from "./linear.ts";
export type { TensorMethods } from "./methods.ts";
export * from "./normalization.ts";
export * from "./reduce.ts";
export * from "./shape.ts";
export * from "./values.ts";
export * from "./window.ts";
