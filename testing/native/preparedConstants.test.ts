/** Constant factors and filters that kernels find laid out for them: the same sums, from a layout that is made once. */
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

interface Case {
  readonly x: ng.Tensor;
  readonly f: (x: ng.Tensor) => ng.Tensor;
}

/** Rows from one to several blocks; columns that are no whole vectors, or several blocks of them; sums of several blocks. */
const products: { readonly [name: string]: () => Case } = Object.fromEntries([
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

interface Convolution {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly options?: Parameters<typeof ng.conv2d>[2];
  readonly dtype?: Float;
  /** Whether all that a kernel does to its sums follows. */
  readonly epilogue?: true;
}

/** Filters at Winograd's points, in several panels with a remainder; and in panels, of one block of depth and of several. */
const convolutions: { readonly [name: string]: Convolution } = {
  "3 × 3 over tiles cut by the border": { x: [2, 13, 15, 37], w: [3, 3, 37, 101] },
  "3 × 3 in two groups, with an epilogue": {
    x: [1, 16, 16, 96],
    w: [3, 3, 48, 130],
    options: { groups: 2, padding: "same" },
    epilogue: true,
  },
  "3 × 3 over few pixels, with an epilogue": {
    x: [1, 6, 5, 70],
    w: [3, 3, 70, 133],
    options: { padding: "same" },
    epilogue: true,
  },
  "3 × 3 with stride 2": { x: [1, 15, 15, 64], w: [3, 3, 64, 99], options: { strides: 2, padding: "same" } },
  "3 × 3 of float64, in two groups": {
    x: [1, 9, 9, 64],
    w: [3, 3, 32, 70],
    options: { groups: 2 },
    dtype: "float64",
  },
  "5 × 3 with wide taps": {
    x: [1, 17, 12, 40],
    w: [5, 3, 40, 64],
    options: { dilation: 2, padding: "same" },
  },
  "1 × 1 over many images": { x: [20, 7, 7, 260], w: [1, 1, 260, 65] },
  "1 × 1 of float64": { x: [3, 4, 4, 300], w: [1, 1, 300, 66], dtype: "float64" },
};

function buildConvolution({ x, w, options, dtype, epilogue }: Convolution): Case {
  const filters = draw(1, w, dtype);
  const plain = (x: ng.Tensor) => ng.conv2d(x, filters, options);
  const outputs = w.at(-1) ?? 1;
  const [scale, bias] = [draw(3, [outputs], dtype), draw(4, [outputs], dtype)];
  const f = (x: ng.Tensor) => {
    const y = plain(x);
    return epilogue ? y.mul(scale).add(bias).add(ng.full(y.shape, 0.25)).relu() : y;
  };
  return { x: draw(2, x, dtype), f };
}

/** Every case, and the operation whose tolerance it has. */
const cases: readonly (readonly [string, string, () => Case])[] = [
  ...Object.entries(products).map(([name, build]) => [name, "matmul", build] as const),
  ...Object.entries(convolutions).map(
    ([name, convolution]) => [name, "conv2d", () => buildConvolution(convolution)] as const,
  ),
];

describe("constants prepared for kernels", { skip }, () => {
  for (const [name, op, build] of cases) {
    test(`${op}, ${name}: the sums are those of a kernel that lays it out itself`, (t) =>
      onBackend("native", () => {
        const compile = t.mock.method(loadBackend("native"), "compile").mock;
        const { x, f } = build();
        const result = ng.jit(f)(x);
        assert.ok(compile.calls.some(({ result }) => Number(result?.preparedBytes) > 0));
        const expected = ng.jit(f, { withoutPasses: ["prepare"] })(x);
        assert.equal(compile.calls.at(-1)?.result?.preparedBytes, 0);
        assertClose(result, expected, toleranceOf(primitiveByName(op), x.dtype), name);
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

  test("programs of a convolution for several batch sizes share one layout", () =>
    onBackend("native", () => {
      const w = draw(1, [3, 3, 256, 256]);
      const f = ng.jit((x: ng.Tensor) => ng.conv2d(x, w, { padding: "same" }));
      f(ng.zeros([1, 14, 14, 256]));
      const before = ng.memory().liveBytes;
      const kept = [1, 2, 3, 4].map((batch) => f(ng.zeros([batch, 14, 14, 256])));
      assert.ok(ng.memory().liveBytes - before < w.size * 4 * 2, `${kept.length} programs share it`);
    }));

  test("filters are left as they lie where they are small, or serve many pixels", (t) =>
    onBackend("native", () => {
      const compile = t.mock.method(loadBackend("native"), "compile").mock;
      const [small, wide] = [draw(1, [3, 3, 16, 32]), draw(2, [3, 3, 64, 64])];
      ng.jit((x: ng.Tensor) => ng.conv2d(x, small))(ng.zeros([1, 8, 8, 16]));
      ng.jit((x: ng.Tensor) => ng.conv2d(x, wide))(ng.zeros([1, 64, 64, 64]));
      assert.ok(compile.calls.every(({ result }) => result?.preparedBytes === 0));
    }));
});
