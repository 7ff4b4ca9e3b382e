/** Operations behind reshapes that join axes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { type Graph, splitAxes, type Tensor, verifyGraph } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });

function namesOf(graph: Graph): string[] {
  const result = splitAxes(graph);
  verifyGraph(result, "after the pass");
  return result.nodes.map(({ op }) => op.name);
}

/** x over axes as split, then under the shape whose axes are joined again. */
const joined = (x: unknown, split: number[], shape: number[]): Tensor =>
  ng.neg((x as Tensor).reshape(split)).reshape(shape);

const normalized = (x: Tensor, scale: Tensor, groups: number): Tensor => {
  const [batch = 1, height = 1, width = 1, channels = 1] = x.shape as readonly number[];
  const split = x.reshape([batch, height, width, groups, channels / groups]);
  const options = { axis: [1, 2, 4], keepDims: true };
  const centered = split.sub(ng.mean(split, options));
  const deviation = ng.mean(centered.square(), options).add(1e-5).rsqrt();
  return centered
    .mul(deviation)
    .reshape(x.shape as number[])
    .mul(scale);
};

describe("split", () => {
  test("an operation behind a reshape that joins axes comes before it, and so does a reduction", () => {
    const avals = [float32(6, 8), float32(8)];
    const graph = trace(avals, (x, y) => ng.mul(joined(x, [6, 2, 4], [6, 8]), y as Tensor));
    assert.deepEqual(namesOf(graph), ["reshape", "neg", "reshape", "mul", "reshape"]);
    const sum = trace(avals, (x) => ng.sum(joined(x, [2, 3, 8, 1], [6, 8]), { axis: 0 }));
    assert.deepEqual(
      splitAxes(sum).nodes.map(({ op, params }) => [op.name, params.axes]),
      [
        ["reshape", undefined],
        ["neg", undefined],
        ["reduceSum", [0, 1]],
        ["reshape", undefined],
      ],
    );
  });

  test("operations before a reshape that splits axes come behind it, on split operands", () => {
    const avals = [float32(6, 8), float32(8)];
    const f = (x: Tensor, y: Tensor) => ng.exp(ng.neg(ng.mul(x, y)).reshape([6, 2, 4]));
    const graph = trace(avals, (x, y) => f(x as Tensor, y as Tensor));
    assert.deepEqual(namesOf(graph), ["reshape", "reshape", "mul", "neg", "exp"]);
    assert.equal(splitAxes(graph).nodes[1]?.outputs[0]?.toString(), "float32[2, 4]");
    const also = trace(avals, (x, y) => {
      const product = ng.mul(x as Tensor, y as Tensor);
      return [ng.exp(product.reshape([6, 2, 4])), product];
    });
    assert.deepEqual(namesOf(also), ["mul", "reshape", "exp"]);
  });

  test("other reshapes, and what something else reads, stay as they are", () => {
    const avals = [float32(6, 8), float32(1, 8)];
    const graphs = [
      trace(avals, (x) => ng.exp(joined(x, [6, 8, 1], [6, 8, 1, 1]))),
      trace(avals, (x) => ng.exp(joined(x, [4, 4, 3], [6, 8]))),
      trace(avals, (x) => {
        const y = joined(x, [6, 2, 4], [6, 8]);
        return [ng.exp(y), y];
      }),
    ];
    for (const graph of graphs) {
      assert.deepEqual(
        namesOf(graph),
        graph.nodes.map(({ op }) => op.name),
      );
    }
  });

  for (const backend of testedBackends) {
    test(`normalization by groups and its gradients are those of single operations, ${backend}`, () => {
      onBackend(backend, () => {
        for (const [shape, groups] of [
          [[2, 5, 4, 12], 3],
          [[2, 3, 3, 8], 8],
          [[1, 7, 9, 64], 8],
          [[3, 4, 4, 6], 1],
        ] as const) {
          const x = ng.random.normal(ng.random.key(1), shape);
          const weights = ng.random.normal(ng.random.key(2), shape);
          const scale = ng.random.normal(ng.random.key(3), shape.slice(-1));
          const loss = (x: Tensor, scale: Tensor) => normalized(x, scale, groups).mul(weights).sum();
          for (const argnums of [0, 1] as const) {
            const slope = ng.grad(loss, { argnums });
            const tolerance = { kind: "relative", roundings: 4096 } as const;
            assertClose(
              ng.jit(slope)(x, scale),
              slope(x, scale),
              tolerance,
              `slope ${argnums} of [${shape}]`,
            );
          }
        }
      });
    });
  }
});
