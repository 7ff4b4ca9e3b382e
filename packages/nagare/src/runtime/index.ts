/** Running things: backends, eager execution, compiled programs, state, memory. */
export * from "./backend.ts";
export { Calls } from "./calls.ts";
export * from "./devices.ts";
export * from "./eager.ts";
export * from "./memory.ts";
export * from "./optimize.ts";
export { StoragePool } from "./pool.ts";
export * from "./profile/index.ts";
export * from "./program.ts";
export type { Reachability } from "./reachability.ts";
export * from "./variable.ts";
export { warmUps } from "./warmUp.ts";
