/** Compositions: one pass, and the same bits each time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { builder } from "nagare/backend";
import { onEachBackend } from "../train/eachBackend.ts";

type Composition = (x: ng.Tensor) => ng.Tensor;

const elementwise: Readonly<Record<string, Composition>> = {
  gelu: (x) => ng.gelu(x),
  "gelu by tanh": (x) => ng.gelu(x, { approximate: true }),
  relu6: (x) => ng.relu6(x),
  leakyRelu: (x) => ng.leakyRelu(x, 0.2),
  elu: (x) => ng.elu(x, 0.7),
  silu: (x) => ng.silu(x),
  softplus: (x) => ng.softplus(x),
  clip: (x) => ng.clip(x, -0.5, 2),
};
const reductions: Readonly<Record<string, Composition>> = {
  mean: (x) => ng.mean(x),
  "mean of rows": (x) => ng.mean(x, { axis: -1, keepDims: true }),
  variance: (x) => ng.variance(x, { axis: 0 }),
  "unbiased variance": (x) => ng.variance(x, { correction: 1 }),
  std: (x) => ng.std(x),
  logSumExp: (x) => ng.logSumExp(x, { axis: [0] }),
  norm: (x) => ng.norm(x, { axis: -1 }),
  "norm 1": (x) => ng.norm(x, { ord: 1 }),
  "norm ∞": (x) => ng.norm(x, { ord: Number.POSITIVE_INFINITY }),
};
const key = ng.random.key(7);
const draws: Readonly<Record<string, Composition>> = {
  "uniform halves": (x) => ng.random.uniform(key, x.shape, { low: -1, dtype: "bfloat16" }),
  "normal halves": (x) => ng.random.normal(key, x.shape, { std: 3, dtype: "float16" }),
  uniform: (x) => ng.random.uniform(key, x.shape, { low: -1, high: 3 }),
  normal: (x) => ng.random.normal(key, x.shape, { mean: 2, std: 3 }),
  bernoulli: (x) => ng.random.bernoulli(key, 0.3, x.shape),
  randint: (x) => ng.random.randint(key, x.shape, -3, 12),
  categorical: (x) => ng.random.categorical(key, x),
};
const all = { ...elementwise, ...reductions, ...draws };

const shapes = [[1], [2, 3], [5, 1001], [3, 2, 17], [40, 500]];
const dtypes = ["float32", "float64", "float16", "int32"] as const;

/** Values with infinities and NaN among them, where the dtype has such. */
function valuesOf(shape: readonly number[], dtype: (typeof dtypes)[number]): ng.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];
  const values = Float64Array.from({ length: size }, (_, i) =>
    dtype !== "int32" && i % 211 === 210 ? (special[Math.floor(i / 211) % 4] ?? 0) : Math.sin(i * i) * 4,
  );
  return ng.tensor(values, { dtype: "float64" }).reshape(shape).astype(dtype);
}

function bytesOf(x: ng.Tensor): string {
  const { buffer, byteOffset, byteLength } = x.dataSync();
  return Buffer.from(buffer, byteOffset, byteLength).toString("hex");
}

const kernelCalls = ({ rows }: ng.Profile): number => rows.reduce((sum, { calls }) => sum + calls, 0);

/** How many kernels of `body` make something of x's shape. */
function passesOver(x: ng.Tensor, body: () => unknown): number {
  const { profile } = ng.profile(body);
  const made = new RegExp(`→ .*\\[${x.shape.join(", ")}\\]`);
  const rows = profile
    .toString({ shapes: true })
    .split("\n")
    .filter((line) => made.test(line));
  return rows.reduce((sum, row) => sum + Number.parseInt(row.trim(), 10), 0);
}

onEachBackend("compositions", (backend) => {
  for (const [name, compose] of Object.entries(all)) {
    test(`${name} is the same each time`, () => {
      for (const dtype of dtypes) {
        if (dtype === "int32" && name === "categorical") continue;
        for (const shape of shapes) {
          const x = valuesOf(shape, dtype);
          const results = [1, 2, 3, 4].map(() => compose(x));
          const [first, ...others] = results.map((y) => `${y.dtype} ${y.shape} ${bytesOf(y)}`);
          for (const other of others) assert.ok(other === first, `${dtype} [${shape}] differs`);
        }
      }
    });
  }

  for (const [name, compose] of Object.entries(elementwise)) {
    test(`${name} is one pass`, () => {
      const x = valuesOf([37, 41], "float32");
      const { profile } = ng.profile(() => [compose(x), compose(x)]);
      assert.equal(kernelCalls(profile), 2, String(profile));
    });
  }

  for (const [name, compose] of Object.entries(elementwise)) {
    test(`${name} goes back in one pass`, () => {
      const x = valuesOf([37, 41], "float32");
      const [y, pull] = ng.vjp(compose, x);
      const { profile } = ng.profile(() => [pull(y), pull(y)]);
      assert.equal(kernelCalls(profile), 2, String(profile));
    });
  }

  test("batch normalization by stored statistics passes over its input once", () => {
    const layer = ng.nn.batchNormalization();
    for (const shape of [
      [8, 16, 16, 32],
      [5, 32],
    ]) {
      const x = valuesOf(shape, "float32");
      layer.call(x);
      assert.deepEqual(
        passesOver(x, () => layer.call(x)),
        1,
      );
    }
  });

  if (backend === "native")
    test("operations without a kernel of their own are joined as in a program", () => {
      const x = valuesOf([8, 16, 16, 32], "float32");
      const layer = ng.nn.batchNormalization();
      for (const normalize of [
        () => ng.groupNorm(x, { groups: 8, scale: ng.ones([32]), offset: ng.zeros([32]) }),
        () => layer.call(x, { training: true }),
      ]) {
        const [first, second] = [bytesOf(normalize()), bytesOf(normalize())];
        assert.ok(first === second);
        assert.equal(passesOver(x, normalize), 1);
      }
    });

  test("what is made of very many operations runs one by one, and is no program", () => {
    const of = (...shape: number[]) => ng.ones(shape, { dtype: "bfloat16" });
    const run = () => builder.lstm([of(2, 100, 16), of(4, 16), of(2, 4), of(2, 4)], {})[0];
    const [first, second] = [run(), run()];
    assert.ok(first && second && bytesOf(first) === bytesOf(second));
    assert.match(String(ng.profile(run).profile), /calls of programs: 0\b/);
  });

  test("a parameter is part of what is met", () => {
    const x = ng.tensor([-2, -1, 0, 1, 2, 3]);
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(ng.clip(x, -1, 2).toArray(), [-1, -1, 0, 1, 2, 2]);
      assert.deepEqual(ng.clip(x, 0, 1).toArray(), [0, 0, 0, 1, 1, 1]);
      assert.deepEqual(ng.leakyRelu(x, 0.5).toArray(), [-1, -0.5, 0, 1, 2, 3]);
      assert.deepEqual(ng.leakyRelu(x, 0.25).toArray(), [-0.5, -0.25, 0, 1, 2, 3]);
    }
  });

  test("more shapes than are compiled are computed all the same", () => {
    for (let round = 0; round < 3; round++)
      for (let size = 1; size <= 150; size++)
        assert.equal(ng.mean(ng.arange(size, { dtype: "float32" })).item(), (size - 1) / 2);
  });

  test("every transform sees the operations", () => {
    const x = ng.tensor([-1.5, 0.25, 2]);
    for (const [name, compose] of Object.entries(elementwise)) {
      const slope = ng.grad((x: ng.Tensor) => compose(x).sum());
      const expected = slope(x);
      for (const other of [ng.jit(slope)(x), ng.vmap(ng.grad((x: ng.Tensor) => compose(x)))(x)])
        assert.ok(Number(ng.max(ng.abs(other.sub(expected))).item()) < 1e-6, `${name}: ${expected} ${other}`);
    }
  });
});

onEachBackend("derivatives of compositions, which run as programs,", () => {
  const x = valuesOf([6], "float32").mul(0.3);
  const direction = ng.tensor([1, -2, 0.5, 3, -1, 0.25]);
  const near = (a: ng.Tensor, b: ng.Tensor, what: string) =>
    assert.ok(Number(ng.max(ng.abs(a.sub(b))).item()) < 1e-5, `${what}: ${a} ${b}`);

  for (const [name, compose] of Object.entries({
    ...elementwise,
    mean: reductions.mean,
    std: reductions.std,
  })) {
    if (!compose) continue;
    const loss = (x: ng.Tensor) => compose(x.mul(x).add(0.1)).sum();
    const slope = ng.grad(loss);
    test(`${name}: forward, backward and twice, alone and within each other`, () => {
      const along = (x: ng.Tensor) => slope(x).mul(direction).sum();
      const curved = ng.jit(ng.grad(along))(x);
      near(ng.grad(along)(x), curved, "reverse over reverse");
      near(ng.jvp(slope, [x], [direction])[1], curved, "forward over reverse");
      near(ng.grad((x: ng.Tensor) => ng.jvp(loss, [x], [direction])[1])(x), curved, "reverse over forward");
      near(ng.jvp(loss, [x], [direction])[1], slope(x).mul(direction).sum(), "forward");
    });

    test(`${name}: of a stack of examples, and of none`, () => {
      const stack = ng.stack([x, x.add(0.5)]);
      near(ng.vmap(slope)(stack), ng.stack([slope(x), slope(x.add(0.5))]), "vmap");
      assert.deepEqual(ng.vmap(slope)(ng.zeros([0, 6])).shape, [0, 6]);
    });

    test(`${name}: a way back that is taken in a graph`, () => {
      const [, pull] = ng.vjp(loss, x);
      const [found] = [ng.jit((weight: ng.Tensor) => pull(weight))(ng.tensor(2))].flat() as [ng.Tensor];
      near(found, slope(x).mul(2), "vjp within jit");
    });
  }
});

onEachBackend("compositions of several operands", () => {
  const [a, b] = [ng.tensor([0.5, -1, 2]), ng.tensor([1, 3, -0.25])];
  const layer = ng.nn.batchNormalization();
  layer.call(ng.ones([2, 3]));
  const [gamma, beta] = [layer.gamma, layer.beta];
  const x = ng.stack([a, b.mul(a)]);
  const losses: Readonly<Record<string, (a: ng.Tensor, b: ng.Tensor) => ng.Tensor>> = {
    meanSquaredError: (a, b) => ng.nn.losses.meanSquaredError(a.mul(b), b.square()),
    "batch normalization": (a, b) => {
      gamma?.assign(a);
      beta?.assign(b);
      return layer.call(x.mul(a)).pow(3).sum();
    },
  };
  for (const [name, loss] of Object.entries(losses))
    test(`${name}: the second derivatives of all of them are those of a compiled program`, () => {
      const slopes = (a: ng.Tensor, b: ng.Tensor) =>
        [0, 1].map((argnums) => ng.grad(loss, { argnums })(a, b)) as [ng.Tensor, ng.Tensor];
      const together = (a: ng.Tensor, b: ng.Tensor) => {
        const [, pull] = ng.vjp(loss, a, b);
        return ng.stack(pull(ng.tensor(1)));
      };
      const weights = ng.tensor([
        [1, -2, 3],
        [0.5, 1.5, -1],
      ]);
      const along = (a: ng.Tensor, b: ng.Tensor) => together(a, b).mul(weights).sum();
      const apart = (x: ng.Tensor, y: ng.Tensor) => Number(ng.max(ng.abs(x.sub(y))).item());
      assert.ok(apart(together(a, b), ng.stack(slopes(a, b))) < 1e-5);
      for (const argnums of [0, 1]) {
        const curved = ng.grad(along, { argnums });
        const [found, expected] = [curved(a, b), ng.jit(curved)(a, b)] as [ng.Tensor, ng.Tensor];
        assert.ok(apart(found, expected) < 1e-4, `${argnums}: ${found} ${expected}`);
      }
    });
});

describe("errors of compositions", () => {
  test("come before anything runs, every time", () => {
    for (let i = 0; i < 3; i++) {
      assert.throws(() => ng.mean(ng.ones([2, 3]), { axis: 2 }), ng.ShapeError);
      assert.throws(() => ng.gelu("x" as never), ng.DTypeError);
    }
  });
});
