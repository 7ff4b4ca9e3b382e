/** JSON as bytes: a reader that makes no intermediate objects, and the text of numbers. */
export * from "./number.ts";
export * from "./reader.ts";
