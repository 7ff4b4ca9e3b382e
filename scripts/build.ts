/** Builds what is published: packages/<name>/dist, and the engine of this machine under packages/native/prebuilds. */
import { emitPackages, placePrebuild } from "./emit.ts";

const started = performance.now();
const names = emitPackages();
const prebuild = placePrebuild();
console.log(`emitted ${names.map((name) => `packages/${name}/dist`).join(", ")}`);
console.log(prebuild ? `engine: ${prebuild}` : "engine: not built here, so the packages hold none");
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);
