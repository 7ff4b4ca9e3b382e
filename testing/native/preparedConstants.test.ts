/** Constant factors of products that kernels find laid out for them: the same sums, from a layout that is made once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { loadBackend, primitiveByName } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose, toleranceOf } from "../generator/compare.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

type Float = "float32" | "float64";
const draw = (seed: number, shape: readonly number[], dtype: Float = "float32") =>
  ng.random.uniform(ng.random.key(seed), shape, { low: -1, high: 1, dtype });

interface Product {
  readonly x: ng.Tensor;
  readonly f: (x: ng.Tensor) => ng.Tensor;
}

/** Rows from one to several blocks; columns that are no whole vectors, or several blocks of them; sums of several blocks. */
const products: { readonly [name: string]: () => Product } = Object.fromEntries([
  ...[1, 3, 13, 200].map((m) => {
    const build = () => {
      const w = draw(1, [403, 131]);
      return { x: draw(2, [m, 403]), f: (x: ng.Tensor) => x.matmul(w) };
    };
    return [`${m} rows`, build] as const;
  }),
  ...(["float32", "float64"] as const).map((dtype) => {
    const build = () => {
      const w = draw(1, [3203, 530], dtype);
      return { x: draw(2, [7, 530], dtype), f: (x: ng.Tensor) => x.matmul(w.transpose()) };
    };
    return [`a transposed factor of ${dtype}, wider than a block`, build] as const;
  }),
  [
    "a part of a factor, with a bias and a chain after it",
    () => {
      const [w, bias] = [draw(1, [300, 512]), draw(3, [128])];
      const f = (x: ng.Tensor) =>
        x
          .matmul(w.slice(null, [256, 384]))
          .add(bias)
          .relu()
          .mul(x.slice([0, 1], [0, 1]));
      return { x: draw(2, [30, 300]), f };
    },
  ],
  [
    "stacks of matrices, read by rows and by columns",
    () => {
      const w = draw(1, [160, 144]);
      const f = (x: ng.Tensor) => x.matmul(w).add(x.transpose([0, 2, 1]).matmul(w));
      return { x: draw(2, [3, 160, 160]), f };
    },
  ],
  [
    "a result that is transposed, for which the constant is the other factor",
    () => {
      const w = draw(1, [144, 160]);
      return { x: draw(2, [160, 24]), f: (x: ng.Tensor) => w.matmul(x).transpose() };
    },
  ],
]);

describe("constants prepared for kernels", { skip }, () => {
  for (const [name, build] of Object.entries(products)) {
    test(`${name}: the sums are those of a product that packs its factor itself`, (t) =>
      onBackend("native", () => {
        const compile = t.mock.method(loadBackend("native"), "compile").mock;
        const { x, f } = build();
        const result = ng.jit(f)(x);
        assert.ok(compile.calls.some(({ result }) => Number(result?.preparedBytes) > 0));
        const expected = ng.jit(f, { withoutPasses: ["prepare"] })(x);
        assert.equal(compile.calls.at(-1)?.result?.preparedBytes, 0);
        assertClose(result, expected, toleranceOf(primitiveByName("matmul"), x.dtype), name);
      }));
  }

  test("programs for several numbers of rows share one layout", () =>
    onBackend("native", () => {
      const w = draw(1, [1024, 1024]);
      const f = ng.jit((x: ng.Tensor) => x.matmul(w));
      f(ng.zeros([1, 1024]));
      const before = ng.memory().liveBytes;
      const kept = Array.from({ length: 8 }, (_, i) => f(ng.zeros([2 + i, 1024])));
      assert.ok(ng.memory().liveBytes - before < w.size * 4, `${kept.length} programs share it`);
    }));
});
