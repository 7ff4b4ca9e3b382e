/** The dataflow graph and its passes. */
export * from "./cost.ts";
export * from "./graph.ts";
export * from "./passes/absorbViews.ts";
export * from "./passes/bindDims.ts";
export * from "./passes/contractBatches.ts";
export * from "./passes/decompose.ts";
export * from "./passes/eliminateCommonSubexpressions.ts";
export * from "./passes/eliminateDeadCode.ts";
export * from "./passes/fold.ts";
export * from "./passes/fuse.ts";
export * from "./passes/fuseEpilogues.ts";
export * from "./passes/fusion.ts";
export * from "./passes/planMemory.ts";
export * from "./passes/recompute.ts";
export * from "./print.ts";
export * from "./verify.ts";
export * from "./view.ts";
