import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  type Aval,
  absorbViews,
  builder,
  drawInChains,
  fuseElementwise,
  type Graph,
  optimize,
  printGraph,
  type Tensor,
  verifyGraph,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { compiledWithout, text, trace } from "./rewrites.ts";

const key: Aval = { shape: [2], dtype: "int32" };
const float32 = (...shape: number[]): Aval => ({ shape, dtype: "float32" });

function drawn(graph: Graph): Graph {
  const fused = fuseElementwise(graph, { maximalNodes: 64, maximalInputs: 24 });
  const result = drawInChains(absorbViews(fused, { minimalRun: 8 }));
  verifyGraph(result, "after the pass");
  return result;
}

const names = (graph: Graph): string[] =>
  drawn(graph).nodes.map(({ body, op }) => body?.nodes.map(({ op }) => op.name).join("+") ?? op.name);

/** Integers made of bits, so that every bit counts. */
const mixed = (bits: Tensor): Tensor => builder.bitwiseXor(bits, 0x55);

/** Parts of tiles, several of them, several tasks; those of two halves begin within a block of four words. */
const shapes: readonly (readonly number[])[] = [
  ...[0, 1, 2, 3, 5, 15, 16, 17, 255, 256, 257, 511, 512, 513, 1025, 40000, 300001].map((n) => [n]),
  ...[
    [300, 7],
    [41, 255],
    [41, 257],
    [9, 1100],
    [3, 5, 7],
    [2, 1, 600, 3],
  ],
];

type Program = (key: Tensor, x: Tensor, row: Tensor, column: Tensor) => Tensor | readonly Tensor[];

/** Chains of bits over the elements of x. */
const programs: { readonly [name: string]: Program } = {
  "bits and what a chain makes of them": (key, { shape }) => mixed(builder.randomBits(key, { shape })),
  "several draws of one key and of two": (key, { shape }) => {
    const other = builder.bitwiseXor(key, 1);
    const [a, b] = [builder.randomBits(key, { shape }), builder.randomBits(other, { shape })];
    return builder.bitwiseXor(builder.bitwiseXor(a, b), builder.bitwiseXor(a, 3));
  },
  "uniform numbers beside rows and columns": (key, x, row, column) =>
    ng.random.uniform(key, x.shape).mul(x).add(row).mul(column),
  "both halves of a draw": (key, { shape }) => ng.random.normal(key, shape),
  "numbers of two words": (key, { shape }) => ng.random.normal(key, shape, { dtype: "float64" }),
  "halves, a mask and integers": (key, { shape }) => [
    ng.random.uniform(key, shape, { dtype: "bfloat16" }),
    ng.random.bernoulli(builder.bitwiseXor(key, 1), 0.3, shape),
    ng.random.randint(builder.bitwiseXor(key, 2), shape, -3, 9),
  ],
  "a mask of two chains that a sum parts": (key, x) => {
    const mask = ng.random.bernoulli(key, 0.5, x.shape);
    const kept = ng.where(mask, x, 0);
    return [kept, ng.where(mask, x.mul(kept.sum()), 0)];
  },
  "a reduction of rows": (key, x) => ng.random.uniform(key, x.shape).mul(x).sum({ axis: -1 }),
  "a reduction of columns": (key, x) => ng.random.uniform(key, x.shape).add(x).max({ axis: 0 }),
};

describe("draw", () => {
  test("bits become part of the chain that reads them, through movements too", () => {
    const graph = trace([key], (key) => mixed(ng.random.bits(key as Tensor, [2, 6]).slice(1)));
    assert.equal(
      printGraph(drawn(graph)),
      text(`
        graph(%0: int32[2]) -> (%2)
          %1: constant int32[] 85
          %2: int32[6] = fusion(%0, %1)
            graph(%3: int32[2], %4: int32[]) -> (%8)
              %5: int32[2, 6] = randomBits(%3, { shape: [2, 6] })
              %6: int32[1, 6] = slice(%5, { starts: [1, 0], limits: [2, 6], strides: [1, 1] })
              %7: int32[6] = reshape(%6, { shape: [6] })
              %8: int32[6] = bitwiseXor(%7, %4)
      `),
    );
  });

  test("bits that something else reads, in another order, or of several keys stay an operation of their own", () => {
    const keys: Aval = { shape: [3, 2], dtype: "int32" };
    const graphs = {
      "a result": trace([key], (key) => {
        const bits = ng.random.bits(key as Tensor, [4]);
        return [bits, mixed(bits)];
      }),
      "two chains": trace([key], (key) => {
        const bits = ng.random.bits(key as Tensor, [4]);
        const first = mixed(bits);
        return [first, builder.bitwiseXor(bits, first.sum())];
      }),
      "a sum": trace([key], (key) => {
        const bits = ng.random.bits(key as Tensor, [4]);
        return [bits.sum(), mixed(bits)];
      }),
      "a repeated row": trace([key, { shape: [3, 4], dtype: "int32" }], (key, x) =>
        builder.bitwiseXor(ng.random.bits(key as Tensor, [4]), x as Tensor),
      ),
      "a transposition": trace([key], (key) => mixed(ng.random.bits(key as Tensor, [8, 9]).transpose())),
      "every other": trace([key], (key) => mixed(ng.random.bits(key as Tensor, [32]).slice([0, 32, 2]))),
      "several keys": trace([keys], (keys) => mixed(builder.randomBits(keys as Tensor, { shape: [4] }))),
      "a product": trace([key], (key) => {
        const bits = ng.random.bits(key as Tensor, [4, 4]);
        return bits.matmul(bits);
      }),
    };
    for (const [name, graph] of Object.entries(graphs)) assert.ok(names(graph).includes("randomBits"), name);
  });

  test("what finishes a matrix product draws", () => {
    const noisy = trace([key, float32(4, 5), float32(5, 6)], (key, x, w) =>
      x.matmul(w).mul(ng.random.uniform(key, [4, 6])),
    );
    const compiled = onBackend("reference", () => optimize(noisy, { after: "draw" }));
    assert.deepEqual(
      compiled.nodes.map(({ body }) => body?.nodes.map(({ op }) => op.name).join("+")),
      ["randomBits+matmul+shiftRightLogical+convert+mul+mul"],
    );
  });

  for (const backend of testedBackends) {
    for (const [name, f] of Object.entries(programs)) {
      test(`${name}: every bit as apart from the chain, ${backend}`, () =>
        onBackend(backend, () => {
          for (const shape of shapes) {
            const elements = shape.reduce((a, b) => a * b, 1);
            if (
              (elements === 0 && name.startsWith("a reduction")) ||
              (backend === "reference" && elements > 2000)
            )
              continue;
            const numbers = (seed: number, own: readonly number[]) =>
              ng.random.normal(ng.random.key(seed), own);
            const operands = [
              ng.random.key(77),
              numbers(1, shape),
              numbers(2, shape.slice(-1)),
              numbers(3, shape.with(-1, 1)),
            ] as const;
            const results = (options = {}): Tensor[] => [ng.jit(f, options)(...operands)].flat();
            const apart = results({ withoutPasses: ["draw"] });
            results().forEach((result, i) => {
              assert.deepEqual(result.dataSync(), apart[i]?.dataSync(), `[${shape}], result ${i}`);
            });
          }
        }));
    }

    test(`products with noise: every bit as apart from the chain, ${backend}`, () =>
      onBackend(backend, () => {
        for (const [m, k, n] of [
          [3, 4, 5],
          [33, 70, 41],
          [130, 20, 300],
        ] as const) {
          if (backend === "reference" && m > 50) continue;
          const f = (key: Tensor, x: Tensor, w: Tensor) =>
            x
              .matmul(w)
              .mul(ng.random.uniform(key, [m, n]))
              .sin();
          const operands = [
            ng.random.key(5),
            ng.random.normal(ng.random.key(1), [m, k]),
            ng.random.normal(ng.random.key(2), [k, n]),
          ] as const;
          const apart = ng.jit(f, { withoutPasses: ["draw"] })(...operands);
          assert.deepEqual(
            ng
              .jit(f)(...operands)
              .dataSync(),
            apart.dataSync(),
            `${m}, ${k}, ${n}`,
          );
        }
      }));
  }

  test("the native backend's bits in chains are the reference's", (t) => {
    if (!testedBackends.includes("native")) return t.skip("the native engine is not built");
    for (const [low, high] of [
      [0, 1000],
      [1, 1000],
      [2, 261],
      [3, 520],
      [254, 513],
      [259, 260],
    ] as const) {
      const f = (key: Tensor) => mixed(ng.random.bits(key, [1, 1001]).slice(0, [low, high]));
      const on = (backend: "reference" | "native") =>
        onBackend(backend, () =>
          ng
            .jit(f)(ng.random.key(2n ** 61n - 3n))
            .dataSync(),
        );
      assert.deepEqual(on("native"), on("reference"), `${low} to ${high}`);
    }
  });

  test("on the native backend a draw and its chain are one instruction without memory between", (t) => {
    const graph = trace([key], (key) => ng.random.normal(key as Tensor, [100, 30]));
    const compiled = compiledWithout(graph, "draw");
    if (!compiled) return t.skip("the native engine is not built");
    assert.deepEqual([compiled.without.instructions.length, compiled.with.instructions.length], [2, 1]);
    assert.deepEqual([compiled.without.arenaBytes, compiled.with.arenaBytes], [24000, 0]);
  });
});
