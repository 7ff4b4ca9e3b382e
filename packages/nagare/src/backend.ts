/** The door for authors of backends, formats and tools: what packages such as @nagare/native and @nagare/serve build on. */
export * from "./core/index.ts";
export * from "./ir/index.ts";
export * from "./ops/index.ts";
export * from "./runtime/index.ts";
export * from "./saved/index.ts";
