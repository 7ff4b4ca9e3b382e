/** The transforms: functions from functions to functions. They nest in any order. */
export { checkpoint } from "./checkpoint.ts";
export * from "./grad.ts";
export * from "./graphTrace.ts";
export * from "./jit.ts";
export { jvp } from "./jvp.ts";
export * from "./vmap.ts";
