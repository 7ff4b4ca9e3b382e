/** Factors that are the same for all that is summed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { factorSums, type Graph, printGraph, type Tensor, verifyGraph } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });

/** Shapes of factors, and the axes of their product that are summed. */
const products: readonly (readonly [shapes: readonly (readonly number[])[], axes: number[], name: string])[] =
  [
    [[[40, 6], [6]], [0], "a scale for each column"],
    [
      [
        [40, 6],
        [40, 1],
      ],
      [1],
      "a scale for each row",
    ],
    [[[40, 6], []], [0, 1], "a number"],
    [[[3, 5, 4, 2], [1, 1, 4, 1], [3, 5, 4, 2], [2]], [0, 1], "two factors left, two taken out"],
    [
      [
        [3, 16, 4],
        [3, 1, 4],
      ],
      [0, 1],
      "one number for each example, in turns",
    ],
    [[[3, 16, 1, 4], [3, 1, 1, 4], [4]], [0, 1, 2], "an axis of one element, too"],
    [
      [
        [3, 2, 4],
        [3, 1, 4],
      ],
      [0, 1],
      "too few elements for turns",
    ],
    [
      [
        [7, 1],
        [1, 5],
      ],
      [0],
      "a column and a row",
    ],
    [
      [
        [7, 1],
        [1, 5],
      ],
      [0, 1],
      "a column and a row, both summed",
    ],
  ];

describe("factor", () => {
  test("a factor that repeats along the summed axis multiplies the sum", () => {
    assertRewrites(
      trace([float32(40, 6), float32(6)], (x, scale) =>
        ng.sum(ng.mul(x as Tensor, scale as Tensor), { axis: 0 }),
      ),
      factorSums,
      `
      graph(%0: float32[40, 6], %1: float32[6]) -> (%3)
        %2: float32[40, 6] = mul(%0, %1)
        %3: float32[6] = reduceSum(%2, { axes: [0] })
      `,
      `
      graph(%0: float32[40, 6], %1: float32[6]) -> (%3)
        %2: float32[6] = reduceSum(%0, { axes: [0] })
        %3: float32[6] = mul(%2, %1)
      `,
    );
  });

  test("one that varies along a short axis is summed with what a first sum leaves", () => {
    assertRewrites(
      trace([float32(3, 16, 4), float32(3, 1, 4)], (x, scale) =>
        ng.sum(ng.div(ng.mul(x as Tensor, scale as Tensor), ng.exp(ng.sum(scale as Tensor))), {
          axis: [0, 1],
        }),
      ),
      factorSums,
      `
      graph(%0: float32[3, 16, 4], %1: float32[3, 1, 4]) -> (%6)
        %2: float32[3, 16, 4] = mul(%0, %1)
        %3: float32[] = reduceSum(%1, { axes: [0, 1, 2] })
        %4: float32[] = exp(%3)
        %5: float32[3, 16, 4] = div(%2, %4)
        %6: float32[4] = reduceSum(%5, { axes: [0, 1] })
      `,
      `
      graph(%0: float32[3, 16, 4], %1: float32[3, 1, 4]) -> (%8)
        %2: float32[] = reduceSum(%1, { axes: [0, 1, 2] })
        %3: float32[] = exp(%2)
        %4: float32[3, 4] = reduceSum(%0, { axes: [1] })
        %5: float32[3, 4] = div(%4, %3)
        %6: float32[3, 4] = reshape(%1, { shape: [3, 4] })
        %7: float32[3, 4] = mul(%5, %6)
        %8: float32[4] = reduceSum(%7, { axes: [0] })
      `,
    );
  });

  test("products that are results or are read otherwise, narrow dtypes, and sums without such a factor stay as they are", () => {
    const same = (graph: Graph) => {
      const result = factorSums(graph);
      verifyGraph(result, "after the pass");
      assert.equal(printGraph(result), printGraph(graph));
    };
    const product = (x: unknown, y: unknown) => ng.mul(x as Tensor, y as Tensor);
    const sum = (x: Tensor) => ng.sum(x, { axis: 0 });
    const avals = [float32(40, 6), float32(6)];
    same(trace([float32(40, 6), float32(40, 6)], (x, y) => sum(product(x, y))));
    same(
      trace(
        [
          { shape: [40, 6], dtype: "float16" },
          { shape: [6], dtype: "float16" },
        ],
        (x, y) => sum(product(x, y)),
      ),
    );
    const readOtherwise = (other: (xy: Tensor) => Tensor) =>
      same(
        trace(avals, (x, y) => {
          const xy = product(x, y);
          return [sum(xy), other(xy)];
        }),
      );
    readOtherwise((xy) => xy);
    readOtherwise((xy) => ng.matmul(xy, xy.transpose()));
  });

  for (const backend of testedBackends) {
    for (const dtype of ["float32", "float64"] as const) {
      test(`${dtype} sums and gradients are those of the products, ${backend}`, () => {
        onBackend(backend, () => {
          for (const [shapes, axis, name] of products) {
            const factors = shapes.map((shape, i) => ng.random.normal(ng.random.key(i), shape).astype(dtype));
            const f = (...xs: Tensor[]) =>
              ng.sum(
                xs.reduce((a, b) => ng.mul(a, b)),
                { axis },
              );
            const g = (...xs: Tensor[]) => [
              f(...xs),
              ...[
                ng.grad((x: Tensor) =>
                  f(x, ...xs.slice(1))
                    .square()
                    .sum(),
                )(xs[0] as Tensor),
              ],
            ];
            const [together, apart] = [[], ["factor"]].map((withoutPasses) =>
              ng.jit(g, { withoutPasses })(...factors),
            );
            for (const [k, result] of (together ?? []).entries()) {
              assertClose(result, apart?.[k] as Tensor, { kind: "relative", roundings: 256 }, name);
            }
          }
        });
      });
    }
  }

  test("what is not finite stays so", () => {
    const f = ng.jit((x: Tensor, scale: Tensor) => ng.sum(ng.mul(x, scale), { axis: 0 }));
    const scales = [Number.NaN, Number.POSITIVE_INFINITY, 0, 0, 2];
    const row = [1, 1, Number.NEGATIVE_INFINITY, Number.NaN, Number.POSITIVE_INFINITY];
    const sums = f(ng.tensor([row, row, [1, 0, 1, 1, 1]]), ng.tensor(scales));
    assert.ok(
      [...sums.dataSync()].every((sum) => !Number.isFinite(sum)),
      String(sums),
    );
  });
});
