/** Optimizers. */
export * from "./adam.ts";
export * from "./optimizer.ts";
export * from "./sgd.ts";
