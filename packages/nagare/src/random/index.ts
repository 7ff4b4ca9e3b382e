/** Randomness: keys, what is drawn from them, and the default generator. */
export * from "./draw.ts";
export * from "./generator.ts";
export { foldIn, key, split } from "./key.ts";
