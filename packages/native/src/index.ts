/** The CPU engine of Nagare, as a backend. `nagare` loads it by itself. */
export { type Addon, loadAddon, type ProgramHandle } from "./addon.ts";
export { createBackend, NativeBackend } from "./backend.ts";
