/** What nodes are said to cost. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { type Cost, costOf, type Node, builder as o, optimize } from "nagare/backend";

/** The nodes of a function of float32 operands of these shapes, after all passes. */
function nodesOf(
  shapes: readonly (readonly number[])[],
  f: (...xs: readonly ng.Tensor[]) => ng.Tensor,
): readonly Node[] {
  const avals = shapes.map((shape) => ({ shape, dtype: "float32" }) as const);
  return optimize(ng.traceGraph(avals, (xs) => ({ outputs: [f(...xs)], result: undefined })).graph).nodes;
}

const window = { strides: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 2 } as const;
const x = ng.zeros([1]);

/** Name, operand shapes, function, and the cost of the last node. */
const cases: readonly [string, readonly (readonly number[])[], (...xs: ng.Tensor[]) => ng.Tensor, Cost][] = [
  [
    "a batched product, its second factor transposed",
    [
      [5, 2, 3],
      [5, 4, 3],
    ],
    (a = x, b = x) => o.matmul(a, b, { transposeA: false, transposeB: true }),
    { flops: 5 * 2 * 4 * 2 * 3, bytes: 4 * (30 + 60 + 40) },
  ],
  [
    "a grouped convolution",
    [
      [2, 6, 6, 4],
      [3, 3, 2, 8],
    ],
    (images = x, filter = x) => o.conv2d(images, filter, window),
    { flops: 2 * (2 * 6 * 6 * 8) * (3 * 3 * 2), bytes: 4 * (288 + 144 + 576) },
  ],
  [
    "its gradient in the filter",
    [
      [2, 6, 6, 4],
      [2, 6, 6, 8],
    ],
    (images = x, ct = x) => o.conv2dFilterGrad(images, ct, { ...window, filterShape: [3, 3, 2, 8] }),
    { flops: 2 * (2 * 6 * 6 * 8) * (3 * 3 * 2), bytes: 4 * (288 + 576 + 144) },
  ],
  [
    "its gradient in the images",
    [
      [2, 6, 6, 8],
      [3, 3, 2, 8],
    ],
    (ct = x, filter = x) => o.conv2dInputGrad(ct, filter, { ...window, inputShape: [2, 6, 6, 4] }),
    { flops: 2 * (2 * 6 * 6 * 8) * (3 * 3 * 2), bytes: 4 * (576 + 144 + 288) },
  ],
  [
    "random numbers, which are drawn in the chain that makes them",
    [[2]],
    (key = x) => ng.random.uniform(key.astype("int32"), [3, 4]),
    { flops: 12 * (20 + 1 + 1), bytes: 4 * (2 + 12) },
  ],
  ["a sum", [[3, 4]], (a = x) => a.sum({ axis: 1 }), { flops: 12, bytes: 4 * (12 + 3) }],
  [
    "a fused chain with a broadcast operand",
    [[3, 4], [4]],
    (a = x, b = x) => a.add(b).tanh().mul(2),
    // The factor 2 is an operand too.
    { flops: 3 * 12, bytes: 4 * (12 + 4 + 12) },
  ],
  [
    "a product with its bias",
    [[2, 3], [3, 4], [4]],
    (a = x, b = x, c = x) => a.matmul(b).add(c),
    { flops: 2 * 2 * 3 * 4 + 8, bytes: 4 * (6 + 12 + 4 + 8) },
  ],
  [
    "a slice",
    [[100, 4]],
    (a = x) => o.slice(a, { starts: [2, 0], limits: [5, 4], strides: [1, 1] }),
    { flops: 0, bytes: 2 * 4 * 12 },
  ],
  ["a transposition", [[3, 4]], (a = x) => a.transpose(), { flops: 0, bytes: 2 * 4 * 12 }],
];

describe("cost", () => {
  for (const [name, shapes, f, expected] of cases) {
    test(`of ${name}`, () => {
      const node = nodesOf(shapes, f).at(-1);
      assert.ok(node);
      const { flops, bytes } = costOf(node);
      assert.deepEqual({ flops, bytes }, expected);
    });
  }

  test("of a fused operation is the arithmetic of its decomposition, and its own operands and results", () => {
    const [node] = ng.traceGraph([{ shape: [6, 8], dtype: "float32" }], ([a = x]) => ({
      outputs: [a.softmax()],
      result: undefined,
    })).graph.nodes;
    assert.equal(node?.op.name, "softmax");
    // The maximum, a difference, an exponential, the sum and a quotient.
    assert.deepEqual(node && costOf(node), { flops: 5 * 48, bytes: 2 * 4 * 48 });
  });

  test("of picking rows is that of the rows, however large the table", () => {
    const indices = ng.tensor([1, 5, 7], { dtype: "int32" });
    const [node] = nodesOf([[1000, 4]], (table = x) => o.gather(table, indices, { axis: 0, batchAxes: 0 }));
    assert.equal(node && costOf(node).bytes, 3 * 4 + 2 * 4 * 12);
  });
});
