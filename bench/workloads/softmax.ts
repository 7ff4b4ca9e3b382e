import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Workload } from "./workload.ts";

/** A reduction and what follows it, over the last axis. */
export const softmax: Workload = {
  name: "softmax_64x1024x256",
  about: "softmax over the last axis of 64×1024×256 floats",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ x: uniform([64, 1024, 256], 4) }),
  prepare(inputs) {
    const x = input(inputs, "x");
    const run = ng.jit((x: ng.Tensor) => x.softmax());
    return () => run(x);
  },
};
