import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Size, type Workload } from "./workload.ts";

const sized = (size: number, name: string): Size => ({
  name: `gelu_chain_${name}`,
  about: `0.5·x·(1 + tanh(0.79788456·(x + 0.044715·x³))) of ${size.toLocaleString("en")} floats`,
  inputs: () => ({ x: uniform([size], 3, -2, 2) }),
});

/** A chain of elementwise operations: fusion, and the speed of memory. */
export const geluChain: Workload = {
  ...sized(4_000_000, "4m"),
  others: [sized(10_000, "10k"), sized(100_000, "100k"), sized(1_000_000, "1m"), sized(20_000_000, "20m")],
  unit: "ms",
  check: { kind: "values", tolerance: 1e-5 },
  peers: true,
  prepare(inputs) {
    const x = input(inputs, "x");
    const gelu = ng.jit((x: ng.Tensor) => {
      const cube = x.mul(0.044715).mul(x).mul(x);
      return x.mul(0.5).mul(x.add(cube).mul(0.79788456).tanh().add(1));
    });
    return () => gelu(x);
  },
};
