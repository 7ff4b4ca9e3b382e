/** The door for authors of backends: what a package such as @nagare/native builds on. */
export * from "./core/index.ts";
export * from "./ir/index.ts";
export * from "./ops/index.ts";
export * from "./runtime/index.ts";
