/** Nagare as a party of the benchmark, in a process of its own as the peers are. */
import * as ng from "nagare";
import { serve } from "./harness/index.ts";
import { tensorsOf, workNamed } from "./work.ts";

const version = `${ng.backend()} backend`;
await serve<ng.Tensor>({
  version,
  threads: ng.threads(),
  prepare(name, arrays, parameters) {
    return workNamed(name)?.(tensorsOf(arrays), parameters);
  },
  async read(output) {
    return Float32Array.from(await output.data(), Number);
  },
});
