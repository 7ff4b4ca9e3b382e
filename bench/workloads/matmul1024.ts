import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input, type Workload } from "./workload.ts";

/** The large product: what the matrix kernel reaches when nothing else weighs. */
export const matmul1024: Workload = {
  name: "matmul1024",
  about: "product of two 1024×1024 float32 matrices",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ a: uniform([1024, 1024], 1, -0.5, 0.5), b: uniform([1024, 1024], 2, -0.5, 0.5) }),
  prepare(inputs) {
    const [a, b] = [input(inputs, "a"), input(inputs, "b")];
    const product = ng.jit((a: ng.Tensor, b: ng.Tensor) => a.matmul(b));
    return () => product(a, b);
  },
};
