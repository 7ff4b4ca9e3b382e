import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { blockKernels, type Stack } from "../workloads/transformer.ts";
import { input, kernelsOf, type Work } from "../workloads/workload.ts";

const stack: Stack = { blocks: 4, heads: 8, width: 512, causal: false };
const past = 255;

type Block = readonly [packed: ng.Tensor, joined: ng.Tensor, wide: ng.Tensor, narrow: ng.Tensor];

/** One token through the blocks; the keys and values of those before are kept for each block as [2, past, heads, depth]. */
function decode(x: ng.Tensor, caches: readonly ng.Tensor[], kernels: readonly ng.Tensor[]) {
  const depth = stack.width / stack.heads;
  const grown: ng.Tensor[] = [];
  let y = x;
  for (const [i, cache] of caches.entries()) {
    const [packed, joined, wide, narrow] = kernels.slice(4 * i, 4 * i + 4) as unknown as Block;
    const normal = ng.layerNorm(y, { epsilon: 1e-5 });
    const heads = normal.matmul(packed).reshape([3, 1, stack.heads, depth]);
    const [query, fresh] = [heads.slice([0, 1]), heads.slice([1, 3])];
    const all = ng.concat([cache, fresh], { axis: 1 });
    const found = ng.scaledDotProductAttention(query, all.slice([0, 1]), all.slice([1, 2]));
    y = y.add(found.reshape([1, stack.width]).matmul(joined));
    y = y.add(ng.gelu(ng.layerNorm(y, { epsilon: 1e-5 }).matmul(wide)).matmul(narrow));
    grown.push(all);
  }
  return { y, grown };
}

/** Inference of the next token: products of one row, which read each weight once. */
export const decodeStep: Work = {
  name: "gpt_decode_b1",
  about: `the next token of a transformer of ${stack.blocks} layers, ${stack.heads} heads, width ${stack.width} behind ${past} cached ones`,
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  parameters: { heads: stack.heads },
  inputs: () => ({
    x: uniform([1, stack.width], 450, -1, 1),
    ...Object.fromEntries(
      Array.from({ length: stack.blocks }, (_, i) => [
        `cache${i + 1}`,
        uniform([2, past, stack.heads, stack.width / stack.heads], 451 + i, -1, 1),
      ]),
    ),
    ...blockKernels(stack, 1),
  }),
  prepare(inputs) {
    const caches = Array.from({ length: stack.blocks }, (_, i) => input(inputs, `cache${i + 1}`));
    const [x, kernels] = [input(inputs, "x"), kernelsOf(inputs)];
    const step = ng.jit(decode);
    return () => step(x, caches, kernels).y;
  },
};
