/** Layers that carry a state from step to step. */
export * from "./bidirectional.ts";
export type { CellOptions, RecurrentCell, SequenceResult } from "./cell.ts";
export * from "./gru.ts";
export * from "./lstm.ts";
export type { Recurrent, SequenceOptions } from "./recurrent.ts";
