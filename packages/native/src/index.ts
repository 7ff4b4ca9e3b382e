/** The CPU engine of Nagare, as a backend. `nagare` loads it by itself. */
export { createBackend, NativeBackend } from "./backend.ts";
