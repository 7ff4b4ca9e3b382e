import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Size, type Workload } from "./workload.ts";

const sized = (n: number): Size => ({
  name: `matmul${n}`,
  about: `product of two ${n}×${n} float32 matrices`,
  inputs: () => ({ a: uniform([n, n], 1, -0.5, 0.5), b: uniform([n, n], 2, -0.5, 0.5) }),
});

/** The large product: what the matrix kernel reaches when nothing else weighs. */
export const matmul1024: Workload = {
  ...sized(1024),
  others: [128, 256, 500, 768, 1536, 2048].map(sized),
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  prepare(inputs) {
    const [a, b] = [input(inputs, "a"), input(inputs, "b")];
    const product = ng.jit((a: ng.Tensor, b: ng.Tensor) => a.matmul(b));
    return () => product(a, b);
  },
};
