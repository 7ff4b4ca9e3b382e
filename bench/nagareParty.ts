/** Nagare as a party of the benchmark, in a process of its own as the peers are. */
import * as ng from "nagare";
import { serve } from "./harness/index.ts";
import { workNamed } from "./work.ts";

const version = `${ng.backend()} backend`;
await serve<ng.Tensor>({
  version,
  threads: ng.threads(),
  prepare(name, arrays, parameters) {
    const inputs = Object.fromEntries(
      Object.entries(arrays).map(([key, { shape, data }]) => [key, ng.tensor(data, { shape })]),
    );
    return workNamed(name)?.(inputs, parameters);
  },
  async read(output) {
    return Float32Array.from(await output.data(), Number);
  },
});
