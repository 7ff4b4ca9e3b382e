/** Primitives, tracers and the interpreter stack. */
export * from "./paramKey.ts";
export * from "./primitive.ts";
export * from "./scalar.ts";
export * from "./trace.ts";
