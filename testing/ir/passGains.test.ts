/** What each pass is worth: on a program made for it, instructions or bytes fall as its documentation claims. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import * as ng from "nagare";
import {
  type Aval,
  builder,
  costOf,
  eliminateDeadCode,
  type Graph,
  loadBackend,
  optimize,
  optionalPasses,
  type Tensor,
} from "nagare/backend";
import { onBackend, passFirstRuns } from "../generator/backends.ts";
import { compiledWithout, trace } from "./rewrites.ts";

interface Gain {
  readonly avals: readonly Aval[];
  readonly f: (...xs: Tensor[]) => readonly Tensor[];
  /** Operations of the graph without and with the pass. */
  readonly operations?: readonly [number, number];
  /** Bytes that the graph's operations read and write. */
  readonly bytes?: readonly [number, number];
  /** Values that a backend is given and gives back. */
  readonly handed?: readonly [number, number];
  /** Bytes of the native engine's arena. */
  readonly arena?: readonly [number, number];
  /** Bytes of constants that the native engine lays out for its kernels ahead of all runs. */
  readonly prepared?: readonly [number, number];
}

const float32 = (...shape: number[]): Aval => ({ shape, dtype: "float32" });
const squares = (x: Tensor): Tensor => x.square().sum();

const [first, second] = [ng.full([256, 128], 0.5), ng.full([128, 256], 0.5)];
const [unchanged, unread] = [ng.variable(ng.zeros([4])), ng.variable(ng.zeros([4]))];

const gains: { readonly [pass: string]: Gain } = {
  normalize: {
    avals: [float32(1, 8, 8, 4), float32(3, 3, 4, 16), float32(16), float32(16), float32(16)],
    f: (x, w, mean, factor, offset) => [ng.conv2d(x, w).sub(mean).mul(factor).add(offset)],
    bytes: [19648, 15488],
  },
  fold: {
    avals: [float32(4, 8), float32(5, 8)],
    f: (x, y) => [x.matmul(y.transpose()).mul(1)],
    operations: [3, 1],
  },
  cse: {
    avals: [float32(4, 8)],
    f: (x) => [x.sum({ axis: 0 }), x.sum({ axis: 0 }).add(1)],
    operations: [3, 2],
  },
  scale: {
    avals: [float32(16, 4), float32(4, 16)],
    f: (x, y) => [x.mul(0.5).matmul(y).mul(4).mul(0.25)],
    operations: [4, 2],
  },
  slices: {
    avals: [float32(8, 64)],
    f: (x) => [ng.grad((x: Tensor) => squares(x.slice(null, [0, 32]).mul(x.slice(null, [32, 64]))))(x)],
    bytes: [27652, 19460],
  },
  contract: {
    avals: [float32(16, 4, 8), float32(16, 4, 8)],
    f: (x, y) => [x.transpose([0, 2, 1]).matmul(y).sum({ axis: 0 })],
    bytes: [12544, 4352],
  },
  products: {
    avals: [float32(4, 3, 16), float32(16, 16)],
    f: (x, w) => {
      const steps = (w: Tensor) => [0, 1, 2, 3].map((i) => squares(x.slice(i).matmul(w).sin()));
      return [ng.grad((w: Tensor) => steps(w).reduce((sum, step) => sum.add(step)))(w)];
    },
    bytes: [28944, 19728],
  },
  narrow: {
    avals: [float32(256, 256), float32(256, 1), float32(256, 8)],
    f: (x, v, w) => [x.matmul(v).sum(), x.matmul(w).sum()],
    bytes: [551944, 326664],
  },
  outer: {
    avals: [float32(256, 256), float32(256, 256), float32(1, 256), float32(1, 256)],
    f: (w, moment, x, y) => {
      const gradient = x.transpose().matmul(y);
      return [w.sub(gradient), moment.add(gradient.square())];
    },
    arena: [262144, 0],
  },
  rows: {
    avals: [float32(1000, 8), { shape: [4], dtype: "int32" }, float32(4, 8), float32()],
    f: (x, indices, updates, rate) => [
      x.sub(rate.mul(builder.scatterAdd(updates, indices, { axis: 0, batchAxes: 0, size: 1000 }))),
    ],
    arena: [32000, 0],
  },
  dce: {
    avals: [float32(4, 8), float32(8, 8)],
    f: (x, w) => {
      x.matmul(w).sum();
      return [x.sum()];
    },
    operations: [3, 1],
  },
  epilogue: {
    avals: [float32(4, 8), float32(8, 6), float32(6)],
    f: (x, w, b) => [x.matmul(w).add(b).relu()],
    operations: [3, 1],
  },
  split: {
    avals: [float32(64, 32), float32(64, 4), float32(32)],
    f: (x, y, z) => [x.reshape([64, 4, 8]).sub(y.expandDims(2)).reshape([64, 32]).mul(z)],
    arena: [8192, 0],
  },
  factor: {
    avals: [float32(64, 32), float32(32)],
    f: (x, scale) => [x.mul(scale).sum({ axis: 0 }), x.sum({ axis: 0 })],
    bytes: [33152, 8704],
  },
  fuse: { avals: [float32(100)], f: (x) => [x.mul(x).add(x).tanh()], bytes: [3200, 800] },
  recompute: {
    avals: [float32(64, 32), float32(32, 16)],
    f: (x, w) => [ng.grad((x: Tensor) => squares(x.mul(x.mul(0.8).tanh().add(1)).matmul(w)))(x)],
    bytes: [110596, 77828],
  },
  finish: {
    avals: [float32(64, 32), float32(32, 16), float32(64, 16)],
    f: (x, w, r) => [x.matmul(w).tanh().add(r)],
    bytes: [26624, 18432],
  },
  views: {
    avals: [float32(2, 16, 4, 8), float32(2, 16, 4, 8)],
    f: (x, y) => [x.transpose([0, 2, 1, 3]).matmul(y.transpose([0, 2, 3, 1]))],
    operations: [3, 1],
  },
  draw: {
    avals: [{ shape: [2], dtype: "int32" }],
    f: (key) => [ng.random.normal(key, [100])],
    bytes: [2008, 408],
  },
  reduce: {
    avals: [float32(64, 32), float32(64, 32)],
    f: (x, y) => [x.sub(y).square().mean()],
    operations: [3, 2],
  },
  siblings: {
    avals: [float32(64, 32), float32(64, 32)],
    f: (x, y) => [x.sum({ axis: 0 }), x.mul(y).sum({ axis: 0 })],
    bytes: [24832, 16640],
  },
  group: { avals: [float32(4), float32(2, 3)], f: (x, y) => [x.mul(2), y.mul(2)], operations: [2, 1] },
  state: {
    avals: [float32(4)],
    f: (x) => {
      unchanged.assign(unchanged.value.mul(1));
      unread.value.add(1);
      return [x.add(1)];
    },
    handed: [4, 2],
  },
  prepare: {
    avals: [float32(32, 256)],
    f: (x) => [x.matmul(first).matmul(second)],
    prepared: [0, 262144],
  },
  share: {
    avals: [float32(64, 64)],
    f: (x) => [ng.softmax(ng.softmax(x).slice([8, 24]))],
    arena: [20480, 16384],
  },
  plan: {
    avals: [float32(64, 64), float32(64, 64)],
    f: (x, w) => [x.matmul(w).matmul(w).matmul(w).matmul(w).matmul(w)],
    arena: [65536, 32768],
  },
};

/** A reshaped value is the same memory. */
function bytesMoved({ nodes }: Graph): number {
  return nodes.reduce((sum, node) => sum + (node.op.name === "reshape" ? 0 : costOf(node).bytes), 0);
}

describe("what a pass is worth", () => {
  test("every pass that can be switched off has its claim, and its place in the documentation", () => {
    assert.deepEqual(Object.keys(gains), optionalPasses);
    const page = readFileSync(join(import.meta.dirname, "../../docs/passes.md"), "utf8");
    for (const name of optionalPasses) assert.match(page, new RegExp(`^\\| \`${name}\` \\|`, "m"));
  });

  for (const [name, { avals, f, operations, bytes, handed, arena, prepared }] of Object.entries(gains)) {
    const measured = operations
      ? "operations"
      : bytes
        ? "bytes read and written"
        : handed
          ? "values handed over"
          : "bytes of the arena";
    const claim = prepared ? "bytes laid out ahead of all runs rise" : `${measured} fall`;
    test(`${name}: ${claim}`, (t) => {
      if (handed) {
        passFirstRuns();
        const backend = loadBackend("reference");
        const compile = t.mock.method(backend, "compile").mock;
        const run = () =>
          onBackend("reference", () => void ng.jit(f)(...avals.map(({ shape }) => ng.ones(shape))));
        ng.withoutPasses([name], run);
        run();
        const counts = compile.calls.map(
          ({ arguments: [graph] }) => graph.inputs.length + graph.outputs.length,
        );
        return assert.deepEqual(counts, handed);
      }
      const graph = trace(avals, f);
      if (arena || prepared) {
        const compiled = compiledWithout(graph, name);
        if (!compiled) return t.skip("the native engine is not built");
        const both = [compiled.without, compiled.with];
        const measure = arena ? "arenaBytes" : "preparedBytes";
        assert.deepEqual(
          both.map((one) => one[measure]),
          arena ?? prepared,
        );
        return;
      }
      const reached = (): Graph => {
        const rewritten = onBackend("reference", () => optimize(graph, { after: name }));
        // What a pass leaves behind goes when its turn comes.
        return name === "dce" ? rewritten : eliminateDeadCode(rewritten);
      };
      const optimized = [ng.withoutPasses([name], reached), reached()];
      if (operations)
        assert.deepEqual(
          optimized.map(({ nodes }) => nodes.length),
          operations,
        );
      if (bytes) assert.deepEqual(optimized.map(bytesMoved), bytes);
    });
  }
});
