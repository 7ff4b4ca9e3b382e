/** Training: compile, fit, evaluate, predict, callbacks. */
export type { Logs } from "./averages.ts";
export type { InputData, LabeledBatch, LabeledData } from "./batches.ts";
export * from "./callback.ts";
export * from "./earlyStopping.ts";
export type { PassOptions } from "./evaluate.ts";
export type { CheckpointOptions, FitOptions, History } from "./fit.ts";
export { accuracy, type LossFunction, type LossName, type MetricName } from "./loss.ts";
export type { Trainable } from "./methods.ts";

import "./methods.ts";

export type { CompileOptions } from "./model.ts";
export { formatProgress, type ProgressBarOptions, progressBar, type TextStream } from "./progressBar.ts";
