/** What every other folder builds on: dtypes, shapes, trees, the tensor handle, errors. Imports nothing. */
export * from "./dim.ts";
export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./half.ts";
export * from "./node.ts";
export * from "./philox.ts";
export * from "./shape.ts";
export * from "./storage.ts";
export * from "./tensor.ts";
export * from "./text.ts";
export * from "./tree.ts";
