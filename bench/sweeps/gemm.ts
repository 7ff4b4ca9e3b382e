import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { input } from "../workloads/workload.ts";
import { type GemmShape, gemmShapes } from "./gemmShapes.ts";
import { flag, type Sweep } from "./sweep.ts";

/** As BLAS writes it: sizes m, n and k, then n or t for each factor; the number of products in front. */
function nameOf({ batch, m, n, k, transposeA, transposeB }: GemmShape): string {
  const stored = `${transposeA ? "t" : "n"}${transposeB ? "t" : "n"}`;
  return `gemm_${batch ? `${batch}x` : ""}${m}x${n}x${k}_${stored}`;
}

const transposed = (x: ng.Tensor): ng.Tensor => x.transpose(x.rank === 3 ? [0, 2, 1] : [1, 0]);

/** Products of float32 matrices. */
export const gemm: Sweep = {
  name: "gemm",
  about: "products of float32 matrices: m, n, k and how the factors are stored",
  aloneFromFlops: 2 * 1024 ** 3,
  tasks: gemmShapes.map((shape, index) => {
    const { batch, m, n, k, transposeA = false, transposeB = false } = shape;
    const stack = batch === undefined ? [] : [batch];
    const shapeA = [...stack, ...(transposeA ? [k, m] : [m, k])];
    const shapeB = [...stack, ...(transposeB ? [n, k] : [k, n])];
    return {
      name: nameOf(shape),
      work: "gemm",
      parameters: { transposeA, transposeB },
      about: `product of ${shapeA.join("×")} and ${shapeB.join("×")}`,
      unit: "ms",
      check: { kind: "values", tolerance: 1e-4 },
      peers: true,
      flops: 2 * (batch ?? 1) * m * n * k,
      inputs: () => ({
        a: uniform(shapeA, 1000 + index, -0.5, 0.5),
        b: uniform(shapeB, 2000 + index, -0.5, 0.5),
      }),
    };
  }),
  prepare(inputs, parameters) {
    const [a, b] = [input(inputs, "a"), input(inputs, "b")];
    const [flipA, flipB] = [flag(parameters, "transposeA"), flag(parameters, "transposeB")];
    const product = ng.jit((a: ng.Tensor, b: ng.Tensor) =>
      (flipA ? transposed(a) : a).matmul(flipB ? transposed(b) : b),
    );
    return () => product(a, b);
  },
};
