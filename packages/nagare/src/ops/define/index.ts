/** What family files are written with. */
export * from "./composite.ts";
export * from "./constant.ts";
export * from "./elementwise.ts";
export * from "./fused.ts";
export * from "./javascript.ts";
export * from "./registry.ts";
export * from "./structural.ts";
