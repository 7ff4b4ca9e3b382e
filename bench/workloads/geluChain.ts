import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Workload } from "./workload.ts";

/** A chain of elementwise operations: fusion, and the speed of memory. */
export const geluChain: Workload = {
  name: "gelu_chain_4m",
  about: "0.5·x·(1 + tanh(0.79788456·(x + 0.044715·x³))) of 4,000,000 floats",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-5 },
  peers: true,
  inputs: () => ({ x: uniform([4_000_000], 3, -2, 2) }),
  prepare(inputs) {
    const x = input(inputs, "x");
    const gelu = ng.jit((x: ng.Tensor) => {
      const cube = x.mul(0.044715).mul(x).mul(x);
      return x.mul(0.5).mul(x.add(cube).mul(0.79788456).tanh().add(1));
    });
    return () => gelu(x);
  },
};
