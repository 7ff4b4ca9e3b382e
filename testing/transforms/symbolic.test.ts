import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Tensor } from "nagare";
import * as ng from "nagare";
import {
  type Aval,
  type ConcreteTensor,
  conv2d,
  formatAval,
  matmul,
  maxPool2d,
  optimize,
  Program,
  printGraph,
  verifyGraph,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { randomTensor, seededRandom } from "../generator/draw.ts";

const batch = ng.dim("batch");
const flags = { transposeA: false, transposeB: false };
const convolution = { strides: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
const pool = { window: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] } as const;
const random = seededRandom("symbolic");
const draw = (...shape: number[]) => randomTensor(random, shape, "float32");
const [filter, dense] = [draw(3, 3, 1, 4), draw(36, 10)];

function trace(avals: readonly Aval[], f: (...xs: Tensor[]) => Tensor) {
  return ng.traceGraph(avals, (xs) => ({ outputs: [f(...xs)], result: undefined })).graph;
}

/** A small convolutional network with what such networks have: flattening by −1, softmax, a mean over the classes. */
function network(images: Tensor): Tensor {
  const features = maxPool2d(ng.relu(conv2d(images, filter, convolution)), pool);
  return ng.softmax(matmul(ng.reshape(features, [features.shape[0] ?? 0, -1]), dense, flags));
}

const floats = (shape: Aval["shape"]): Aval => ({ shape, dtype: "float32" });

for (const backend of testedBackends) {
  describe(`graphs with a symbolic batch on ${backend}`, () => {
    test("a network traced once gives at every batch size what it gives eagerly", () => {
      const graph = trace([floats([batch, 6, 6, 1])], network);
      assert.deepEqual(graph.outputs.map(formatAval), ["float32[batch, 10]"]);
      const program = new Program(graph);
      onBackend(backend, () => {
        for (const count of [1, 4, 3, 4]) {
          const images = draw(count, 6, 6, 1);
          const [actual] = program.run([images]);
          assertClose(
            actual as Tensor,
            network(images),
            { kind: "relative", roundings: 64 },
            `batch of ${count}`,
          );
        }
      });
    });

    test("per-example gradients with a symbolic batch", () => {
      const gradient = ng.vmap(
        ng.grad((w: Tensor, x: Tensor) => ng.sum(ng.tanh(w.mul(x)))),
        { inAxes: [null, 0] },
      );
      const program = new Program(
        trace([floats([3]), floats([batch, 3])], gradient as (...xs: Tensor[]) => Tensor),
      );
      onBackend(backend, () => {
        for (const count of [2, 5]) {
          const [w, x] = [draw(3), draw(count, 3)];
          const [actual] = program.run([w, x]);
          assertClose(
            actual as Tensor,
            gradient(w, x) as Tensor,
            { kind: "relative", roundings: 64 },
            "gradient",
          );
        }
      });
    });

    test("sizes that contradict each other are refused before anything runs", () => {
      const program = new Program(trace([floats([batch, 2]), floats([batch, 2])], (a, b) => a.add(b)));
      onBackend(backend, () => {
        assert.throws(
          () => program.run([draw(3, 2), draw(4, 2)]),
          (error: unknown) =>
            error instanceof ng.ShapeError &&
            /Input 1: expected float32\[batch, 2\]; received the shape \[4, 2\]/.test(error.message),
        );
        assert.throws(() => program.run([draw(3, 5), draw(3, 5)]), ng.ShapeError);
        assert.throws(() => program.run([draw(2), draw(2)] as ConcreteTensor[]), ng.ShapeError);
      });
    });
  });
}

describe("symbolic shapes", () => {
  const n = ng.dim("n");
  const shapes: readonly (readonly [string, readonly Aval[], (...xs: Tensor[]) => Tensor, string])[] = [
    [
      "concat adds sizes",
      [floats([batch, 2]), floats([3, 2])],
      (a, b) => ng.concat([a, b]),
      "float32[batch+3, 2]",
    ],
    ["two names stay apart", [floats([batch, n])], (a) => ng.transpose(a), "float32[n, batch]"],
    ["flattening multiplies", [floats([batch, 4, 5])], (a) => ng.reshape(a, [-1]), "float32[20*batch]"],
    ["−1 divides", [floats([batch, 4, 5])], (a) => ng.reshape(a, [-1, 10]), "float32[2*batch, 10]"],
    [
      "strided windows divide rounding down",
      [floats([1, n, 4, 1])],
      (a) => maxPool2d(a, pool),
      "float32[1, floor((n-2)/2)+1, 2, 1]",
    ],
    [
      "a product sums a symbol away",
      [floats([2, n]), floats([n, 3])],
      (a, b) => matmul(a, b, flags),
      "float32[2, 3]",
    ],
    ["a reduction over a symbol", [floats([batch, 7])], (a) => ng.sum(a, { axis: 0 }), "float32[7]"],
    [
      "a symbol broadcasts against 1",
      [floats([batch, 1]), floats([5])],
      (a, b) => a.mul(b),
      "float32[batch, 5]",
    ],
  ];
  for (const [fact, avals, f, expected] of shapes) {
    test(fact, () => {
      const graph = trace(avals, f);
      verifyGraph(graph, "after tracing");
      assert.equal(formatAval(graph.outputs[0] as Aval), expected);
    });
  }

  test("sizes that cannot be known equal are refused, with their names", () => {
    assert.throws(() => trace([floats([batch]), floats([n])], (a, b) => a.add(b)), /batch and n/);
    assert.throws(
      () => trace([floats([2, batch]), floats([n, 2])], (a, b) => matmul(a, b, flags)),
      /batch and n/,
    );
    assert.throws(() => trace([floats([batch, 3])], (a) => ng.reshape(a, [5, -1])), ng.ShapeError);
  });

  test("a traced tensor's size is refused while it is symbolic", () => {
    assert.throws(
      () =>
        trace([floats([batch, 3])], (a) => {
          assert.ok(a.size > 0);
          return a;
        }),
      (error: unknown) => error instanceof ng.ShapeError && /\[batch, 3\]/.test(error.message),
    );
  });

  test("passes keep symbols and stay well-formed", () => {
    const graph = optimize(trace([floats([batch, 6, 6, 1])], network));
    verifyGraph(graph, "after all passes");
    assert.match(printGraph(graph), /graph\(%0: float32\[batch, 6, 6, 1\]\)/);
  });
});
