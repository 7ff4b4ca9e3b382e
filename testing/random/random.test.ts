import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Tensor } from "nagare";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const { random } = ng;
const numbers = (x: Tensor): number[] => Array.from(x.dataSync(), Number);

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
}

/** Within five standard errors of the expectation: fails once in two million seeds, and the seed is fixed. */
function assertMean(values: readonly number[], expected: number, deviation: number): void {
  const { mean } = moments(values);
  assert.ok(
    Math.abs(mean - expected) <= (5 * deviation) / Math.sqrt(values.length),
    `mean ${mean}, expected ${expected}`,
  );
}

test("arguments that make no distribution are refused", () => {
  const key = random.key(0);
  const refused: readonly (readonly [() => unknown, RegExp])[] = [
    [() => random.key(1.5), /whole number.*1\.5/],
    [() => random.uniform(ng.zeros([2]), [1]), /a key, int32\[2\].*float32\[2\]/],
    [() => random.uniform(key, [1], { low: 1, high: 0 }), /low ≤ high/],
    [() => random.uniform(key, [1], { dtype: "int32" }), /randint/],
    [() => random.normal(key, [1], { std: -1 }), /std from 0 up/],
    [() => random.normal(key, [-1]), /whole numbers from 0 up/],
    [() => random.bernoulli(key, 1.5, [1]), /probability from 0 to 1/],
    [() => random.randint(key, [1], 3, 3), /low < high/],
    [() => random.randint(key, [1], 0, 300, { dtype: "uint8" }), /uint8 holds, 0 to 255/],
    [() => random.randint(key, [1], 0, 2, { dtype: "float32" }), /integer dtype/],
    [() => random.split(key, 0), /at least 1/],
    [() => random.foldIn(key, ng.zeros([2], { dtype: "int32" })), /int32 scalar/],
  ];
  for (const [call, message] of refused)
    assert.throws(
      call,
      (error) => error instanceof ng.NagareError && message.test(error.message),
      String(call),
    );
});

for (const backend of testedBackends) {
  describe(`random numbers on ${backend}`, () => {
    const fact = (name: string, body: () => void) => test(name, () => onBackend(backend, body));

    fact("a key gives the same numbers every time, whatever the shape", () => {
      const key = random.key(7);
      const flat = numbers(random.normal(key, [6]));
      assert.deepEqual(numbers(random.normal(key, [2, 3])), flat);
      assert.notDeepEqual(numbers(random.normal(random.key(8), [6])), flat);
    });

    fact("keys of all 64 bits of a seed differ", () => {
      const seeds = [0, 1, -1, 2 ** 32, 2 ** 33, 2n ** 63n];
      assert.equal(
        new Set(seeds.map((seed) => numbers(random.bits(random.key(seed), [4])).join())).size,
        seeds.length,
      );
    });

    fact("uniform numbers lie in [0, 1) in every float dtype, with the right moments", () => {
      for (const dtype of ["float32", "float64", "float16", "bfloat16"] as const) {
        const values = numbers(random.uniform(random.key(1), [4000], { dtype }));
        assert.ok(
          values.every((x) => x >= 0 && x < 1),
          dtype,
        );
        // Halves are multiples of 2⁻¹¹ and 2⁻⁸: their mean is half a step lower.
        const step = dtype === "bfloat16" ? 2 ** -8 : dtype === "float16" ? 2 ** -11 : 0;
        assertMean(values, (1 - step) / 2, Math.sqrt(1 / 12));
      }
      const wide = numbers(random.uniform(random.key(1), [1000], { low: -3, high: 5 }));
      assert.ok(wide.every((x) => x >= -3 && x <= 5) && Math.min(...wide) < -2.9 && Math.max(...wide) > 4.9);
    });

    fact("normal numbers have the moments and the tails of the distribution", () => {
      const z = numbers(random.normal(random.key(2), [20000]));
      assertMean(z, 0, 1);
      assertMean(
        z.map((x) => x ** 2),
        1,
        Math.SQRT2,
      );
      assertMean(
        z.map((x) => x ** 4),
        3,
        Math.sqrt(96),
      );
      assertMean(
        z.map((x) => Number(Math.abs(x) > 2)),
        0.0455003,
        0.2084,
      );
      const moved = numbers(random.normal(random.key(2), [20000], { mean: 3, std: 0.5, dtype: "float64" }));
      assertMean(moved, 3, 0.5);
    });

    fact("bernoulli, randint and categorical draw with the right frequencies", () => {
      const n = 6000;
      assertMean(numbers(random.bernoulli(random.key(3), 0.3, [n])), 0.3, 0.459);
      const rows = random.bernoulli(random.key(3), ng.tensor([0.1, 0.9]), [n, 2]);
      assertMean(numbers(rows.slice(null, 1)), 0.9, 0.3);
      const dice = numbers(random.randint(random.key(4), [n], 1, 7));
      const logits = ng.tensor([0, Math.log(2), Math.log(3)]).broadcastTo([n, 3]);
      const classes = numbers(random.categorical(random.key(5), logits));
      for (let face = 1; face <= 6; face++)
        assertMean(
          dice.map((x) => Number(x === face)),
          1 / 6,
          Math.sqrt(5) / 6,
        );
      for (let k = 0; k < 3; k++) {
        const p = (k + 1) / 6;
        assertMean(
          classes.map((x) => Number(x === k)),
          p,
          Math.sqrt(p * (1 - p)),
        );
      }
    });

    fact("randint reaches both ends of the widest range", () => {
      const values = numbers(random.randint(random.key(6), [1000], -(2 ** 31), 2 ** 31));
      assert.ok(Math.min(...values) < -(2 ** 31) * 0.99 && Math.max(...values) > 2 ** 31 * 0.99);
    });

    fact("split and folded keys share no numbers with each other or with their parent", () => {
      const parent = random.key(9);
      const children = [...random.split(parent, 3), ...[0, 1, 2 ** 40].map((i) => random.foldIn(parent, i))];
      const drawn = [parent, ...children].flatMap((key) => numbers(random.bits(key, [50])));
      assert.equal(new Set(drawn).size, drawn.length);
      assert.notDeepEqual(numbers(random.foldIn(random.key(0), 1)), numbers(random.foldIn(random.key(1), 0)));
    });

    fact("a traced counter folds in like the number it holds", () => {
      const key = random.key(10);
      const draw = ng.jit((step: Tensor) => random.normal(random.foldIn(key, step), [3]));
      assert.deepEqual(
        numbers(draw(ng.tensor(5, { dtype: "int32" }))),
        numbers(random.normal(random.foldIn(key, 5), [3])),
      );
    });

    fact("vmap over keys draws what a loop draws", () => {
      const keys = random.split(random.key(11), 3);
      const batch = ng.vmap((key: Tensor) => random.normal(key, [2]))(ng.stack(keys));
      assert.deepEqual(
        batch.toArray(),
        keys.map((key) => random.normal(key, [2]).toArray()),
      );
    });

    fact("the default generator advances under jit as it does eagerly, and starts anew from a seed", () => {
      const draw = ng.jit(() => random.uniform(random.nextKey(), [2]));
      random.seed(12);
      const jitted = [draw(), draw()].map(numbers);
      random.seed(12);
      const eager = [0, 1].map(() => numbers(random.uniform(random.nextKey(), [2])));
      assert.deepEqual(jitted, eager);
      assert.notDeepEqual(eager[0], eager[1]);
    });
  });
}

test("all backends draw the same bits and the same uniform numbers", () => {
  const draw = (backend: string) =>
    onBackend(backend, () => [
      numbers(random.bits(random.key(13), [37])),
      numbers(random.uniform(random.key(13), [37])),
    ]);
  const [first, ...others] = testedBackends.map(draw);
  for (const other of others) assert.deepEqual(other, first);
});
