/** Training: compile, fit, evaluate, predict, callbacks. */
export type { Logs } from "./averages.ts";
export * from "./batches.ts";
export * from "./callback.ts";
export * from "./earlyStopping.ts";
export * from "./fit.ts";
export * from "./loss.ts";
export * from "./methods.ts";
export * from "./model.ts";
export * from "./progressBar.ts";
