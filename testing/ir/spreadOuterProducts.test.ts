import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { eliminateDeadCode, type Graph, matmul, spreadOuterProducts, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { assertRewrites, trace } from "./rewrites.ts";

const spread = (graph: Graph): Graph => eliminateDeadCode(spreadOuterProducts(graph));
const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const product = (
  a: Tensor | undefined,
  b: Tensor | undefined,
  transposeA: boolean,
  transposeB = false,
): Tensor => matmul(a as Tensor, b as Tensor, { transposeA, transposeB });

describe("outer", () => {
  test("a large product of a column and a row is an elementwise one", () => {
    assertRewrites(
      trace([float32(1, 512), float32(1, 256)], (x, y) => product(x, y, true)),
      spread,
      `
      graph(%0: float32[1, 512], %1: float32[1, 256]) -> (%2)
        %2: float32[512, 256] = matmul(%0, %1, { transposeA: true, transposeB: false })
      `,
      `
      graph(%0: float32[1, 512], %1: float32[1, 256]) -> (%3)
        %2: float32[512, 1] = reshape(%0, { shape: [512, 1] })
        %3: float32[512, 256] = mul(%2, %1)
      `,
    );
  });

  test("stays out where the product is small, sums, or multiplies halves", () => {
    const half = (...shape: number[]) => ({ shape, dtype: "bfloat16" as const });
    const graphs = [
      trace([float32(1, 16), float32(1, 16)], (x, y) => product(x, y, true)),
      trace([float32(2, 512), float32(2, 256)], (x, y) => product(x, y, true)),
      trace([float32(1, 512), float32(512, 1)], (x, y) => product(x, y, false)),
      trace([half(1, 512), half(1, 256)], (x, y) => product(x, y, true)),
    ];
    for (const graph of graphs) {
      assert.deepEqual(
        spread(graph).nodes.map(({ op }) => op.name),
        ["matmul"],
      );
    }
  });

  for (const backend of testedBackends) {
    test(`stacks in either layout give what products give, ${backend}`, () =>
      onBackend(backend, () => {
        const draw = (seed: number, shape: number[]) => ng.random.normal(ng.random.key(seed), shape);
        const f = (x: Tensor, y: Tensor) => product(x, y, false, true).sub(1).square();
        const [x, y] = [draw(1, [3, 256, 1]), draw(2, [1, 300, 1])];
        const expected = ng.jit(f, { withoutPasses: ["outer"] })(x, y);
        assertClose(ng.jit(f)(x, y), expected, { kind: "relative", roundings: 4 }, "with the pass");
      }));
  }
});
