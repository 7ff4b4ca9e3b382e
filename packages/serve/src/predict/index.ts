/** The body of a predict request in, the body of its answer out. */
export * from "./answer.ts";
export * from "./example.ts";
