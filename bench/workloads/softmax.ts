import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Size, type Workload } from "./workload.ts";

const sized = (...shape: readonly number[]): Size => ({
  name: `softmax_${shape.join("x")}`,
  about: `softmax over the last axis of ${shape.join("×")} floats`,
  inputs: () => ({ x: uniform(shape, 4) }),
});

/** A reduction and what follows it, over the last axis. */
export const softmax: Workload = {
  ...sized(64, 1024, 256),
  others: [sized(128, 10), sized(96, 128, 128), sized(256, 1000), sized(64, 1024, 64), sized(32, 50_257)],
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  prepare(inputs) {
    const x = input(inputs, "x");
    const run = ng.jit((x: ng.Tensor) => x.softmax());
    return () => run(x);
  },
};
