import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { optimize, planMemory, type Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { trace } from "../ir/rewrites.ts";

const close = (actual: Tensor, expected: Tensor) =>
  assertClose(actual, expected, { kind: "relative", roundings: 64 }, "with a checkpoint");
const w = ng.variable(ng.random.normal(ng.random.key(1), [8, 8]).mul(0.3));
const x = ng.random.normal(ng.random.key(2), [16, 8]);
const block = (h: Tensor): Tensor => h.sin().matmul(w.value).tanh().matmul(w.value).sigmoid();

/** The same block several times, and the gradient with respect to the variable and the argument. */
const stacked =
  (block: (h: Tensor) => Tensor, depth = 3) =>
  (x: Tensor): Tensor => {
    let h = x;
    for (let i = 0; i < depth; i++) h = block(h);
    return h.square().sum();
  };
const slopes = (f: (x: Tensor) => Tensor) => (x: Tensor) =>
  ng.grad((_: ng.Variable, x: Tensor) => f(x), { argnums: [0, 1] })(w, x) as unknown as Tensor[];

describe("checkpoint", () => {
  for (const backend of testedBackends) {
    const fact = (name: string, body: () => void) =>
      test(`${name}, ${backend}`, () => onBackend(backend, body));

    fact("values and gradients are those of the function, at once and compiled", () => {
      const plain = slopes(stacked(block))(x);
      const remade = slopes(stacked(ng.checkpoint(block)));
      for (const gradients of [remade(x), ng.jit(remade)(x)])
        for (const [i, gradient] of gradients.entries()) close(gradient, plain[i] as Tensor);
      const [loss] = ng.valueAndGrad(stacked(ng.checkpoint(block)))(x);
      close(loss, stacked(block)(x));
    });

    fact("it nests: derivatives of derivatives, pushed tangents, batches inside and outside", () => {
      const [f, g] = [block, ng.checkpoint(block)].map((h) => (x: Tensor) => h(x).sum()) as [
        (x: Tensor) => Tensor,
        (x: Tensor) => Tensor,
      ];
      const second = (f: (x: Tensor) => Tensor) => ng.grad((x: Tensor) => ng.grad(f)(x).square().sum());
      close(second(g)(x), second(f)(x));
      close(ng.jit(second(g))(x), second(f)(x));
      const row = (f: (x: Tensor) => Tensor) => (x: Tensor) => f(x.reshape([1, 8]));
      close(ng.vmap(ng.grad(row(g)))(x), ng.vmap(ng.grad(row(f)))(x));
      const batched = (f: (x: Tensor) => Tensor) => ng.grad((x: Tensor) => ng.vmap(row(f))(x).sum());
      close(batched(g)(x), batched(f)(x));
      const [, push] = ng.linearize(g, x);
      close(push(x), ng.jvp(f, [x], [x])[1]);
    });

    fact("what is random is the same both times, and state moves on once", () => {
      const key = ng.variable(ng.random.key(5));
      const calls = ng.variable(ng.tensor(0, { dtype: "int32" }));
      const drop = (x: Tensor): Tensor => {
        const [next, now] = ng.random.split(key.value) as [Tensor, Tensor];
        key.assign(next);
        calls.assign(calls.value.add(1));
        return x.mul(ng.random.uniform(now, x.shape as number[])).sin();
      };
      const run = (drop: (x: Tensor) => Tensor) => {
        key.assign(ng.random.key(5));
        calls.assign(0);
        const gradient = ng.jit(ng.grad(stacked(drop)))(x);
        return { gradient, calls: calls.value.item() };
      };
      const [plain, remade] = [run(drop), run(ng.checkpoint(drop))];
      close(remade.gradient, plain.gradient);
      assert.deepEqual([plain.calls, remade.calls], [3, 3]);
    });

    fact("arguments and results may be trees, numbers of any dtype, and tensors closed over", () => {
      const pick = ng.checkpoint(({ rows, at }: { rows: Tensor; at: Tensor }, scale: number) => ({
        picked: ng.take(rows, at, { axis: 0 }).mul(scale),
        count: at.sum(),
      }));
      const at = ng.tensor([1, 1, 3], { dtype: "int32" });
      const gradient = ng.grad((x: Tensor) => {
        const inner = ng.checkpoint((y: Tensor) => y.mul(x).sin());
        const { picked, count } = pick({ rows: inner(x), at }, 2);
        return picked.sum().mul(count.astype("float32"));
      });
      const plain = ng.grad((x: Tensor) => ng.take(x.mul(x).sin(), at, { axis: 0 }).sum().mul(10));
      close(gradient(x), plain(x));
    });
  }

  test("a compiled gradient needs less memory at once: the blocks' arguments instead of all their values", () => {
    const bytes = (block: (h: Tensor) => Tensor) => {
      const graph = optimize(trace([x], (x) => slopes(stacked(block, 8))(x as Tensor)));
      return planMemory(
        graph,
        () => true,
        () => undefined,
      ).lowerBoundBytes;
    };
    const [kept, remade] = [bytes(block), bytes(ng.checkpoint(block))];
    assert.ok(2 * remade <= kept, `${kept} bytes, ${remade} with checkpoints`);
  });

  test("without a derivative the function is simply called", () => {
    let seen: unknown;
    ng.checkpoint((x: Tensor) => {
      seen = x;
      return x;
    })(x);
    assert.equal(seen, x);
  });
});
