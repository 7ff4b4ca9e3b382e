/** From nodes to instructions, a file for each kind of work. */
export * from "./attention.ts";
export * from "./elementwise.ts";
export * from "./lowering.ts";
export * from "./movement.ts";
export * from "./recurrent.ts";
export * from "./rows.ts";
export * from "./sums.ts";
