import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Workload } from "./workload.ts";

/** What calling a compiled function costs when it has nothing to do: reading the arguments, finding the program. */
export const dispatchEmpty: Workload = {
  name: "dispatch_empty",
  about: "call of a jitted function of one argument with an empty body",
  // 1,000 calls below.
  unit: "us",
  check: { kind: "none" },
  peers: false,
  others: [],
  inputs: () => ({ x: uniform([1], 7) }),
  prepare(inputs) {
    const x = input(inputs, "x");
    const empty = ng.jit((_x: ng.Tensor) => []);
    return () => {
      for (let count = 0; count < 1000; count += 1) empty(x);
      return x;
    };
  },
};
