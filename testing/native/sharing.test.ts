/** Parts of values that are read where they lie: which are no copies any more, which must be, and that nothing is overwritten. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as ng from "nagare";
import type { Tensor } from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";
import { assertClose } from "../generator/compare.ts";
import { type Compiled, compiledWithout, trace } from "../ir/rewrites.ts";
import { assertProperty } from "../property.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
const rows = (x: Tensor, first: number, limit: number): Tensor => x.slice([first, limit]);
/** What has a kernel that takes no strides. */
const whole = (x: Tensor): Tensor => ng.softmax(x);

interface Case {
  readonly f: (x: Tensor) => Tensor | Tensor[];
  readonly shape?: readonly number[];
  /** How many copies there are without the pass, and with it. */
  readonly copies: readonly [without: number, withPass: number];
  /** Bytes of the arena, where it matters. */
  readonly arena?: readonly [without: number, withPass: number];
}

const cases: { readonly [name: string]: Case } = {
  "rows of an operand": { f: (x) => whole(rows(x, 3, 7)), copies: [1, 0] },
  "rows of an intermediate value": {
    f: (x) => whole(rows(whole(x), 3, 7)),
    copies: [1, 0],
    arena: [4608, 4096],
  },
  "an inner axis behind axes of one": {
    shape: [1, 32, 32],
    f: (x) => whole(x.slice(null, [5, 9])),
    copies: [1, 0],
  },
  "rows of rows, with a reshape between them": {
    shape: [4, 8, 32],
    f: (x) => whole(rows(rows(whole(x), 1, 3).reshape([16, 32]), 2, 9)),
    copies: [1, 0],
  },
  "an axis that is moved past one of one": {
    shape: [1, 32, 32],
    f: (x) => whole(whole(x).transpose([1, 0, 2])),
    copies: [1, 0],
  },
  "columns lie apart": { f: (x) => whole(x.slice(null, [3, 7])), copies: [1, 1] },
  "every other row lies apart": { f: (x) => whole(x.slice([0, 32, 2])), copies: [1, 1] },
  "a result is written where it belongs": { f: (x) => rows(whole(x), 1, 3), copies: [1, 1] },
  "a reshaped result, too": { f: (x) => rows(whole(x), 1, 3).reshape([64]), copies: [1, 1] },
  "one row that is read late would keep all others, when memory is full": {
    f: (x) => {
      const y = whole(x);
      const first = rows(y, 0, 1);
      return whole(whole(ng.concat([y, whole(y), y])))
        .sum()
        .add(whole(whole(first)));
    },
    copies: [1, 1],
  },
  "thirds that are read late, one after the other, keep each other": {
    shape: [30, 32],
    f: (x) => {
      const y = whole(x);
      const parts = [0, 10, 20].map((first) => rows(y, first, first + 10));
      // Each is read when memory has been fuller than before.
      return parts.reduce((sum, part, i) => {
        const much = whole(whole(ng.concat(new Array<Tensor>(2 * i + 2).fill(x.sub(i)))).mul(sum));
        return much.sum().mul(whole(part)).sum();
      }, y.sum());
    },
    copies: [3, 0],
  },
  "unless they are kept for others": {
    f: (x) => {
      const y = whole(x);
      const first = rows(y, 0, 1);
      return [
        whole(whole(ng.concat([y, whole(y), y])))
          .sum()
          .add(whole(whole(first))),
        y,
      ];
    },
    copies: [1, 0],
  },
};

/** Copies, by the engine's instructions. */
function moves({ instructions }: Compiled): number {
  return instructions.filter((line) => /^(slice|transpose|copy|fusion \((slice|reshape|, )+\))/.test(line))
    .length;
}

describe("parts of values", { skip }, () => {
  for (const [name, { f, shape = [32, 32], copies, arena }] of Object.entries(cases)) {
    test(name, () => {
      const compiled = compiledWithout(trace([float32(...shape)], f), "share");
      assert.ok(compiled);
      const both = [compiled.without, compiled.with];
      assert.deepEqual(both.map(moves), copies, JSON.stringify(compiled, null, 1));
      if (arena)
        assert.deepEqual(
          both.map(({ arenaBytes }) => arenaBytes),
          arena,
        );
      const x = ng.random.normal(ng.random.key(7), [...shape]);
      const [actual, expected] = ["native", "reference"].map((backend) =>
        onBackend(backend, () => [ng.jit(f)(x)].flat()),
      );
      expected?.forEach((wanted, i) => {
        assertClose(actual?.[i] ?? wanted, wanted, { kind: "relative", roundings: 64 }, name);
      });
    });
  }

  test("a state is written in place, whatever reads a part of it later", () => {
    const state = ng.variable(ng.zeros([32, 32]));
    const graph = trace([float32(32, 32)], (x) => {
      const part = rows(state.value, 0, 2);
      state.assign(state.value.add(x));
      return [whole(part).add(whole(state.value).sum())];
    });
    const compiled = compiledWithout(graph, "share");
    assert.ok(compiled);
    assert.deepEqual(compiled.with.instructions, compiled.without.instructions);
    assert.match(compiled.with.instructions[0] ?? "", /^slice → float32\[2, 32\]/);
  });

  test("a part of a constant is not taken for the constant that is laid out for a kernel", () => {
    const weights = ng.random.normal(ng.random.key(8), [3, 128, 128]);
    // Softmax takes no strides, so that the product is given the part itself.
    const f = (x: Tensor) =>
      [0, 1].flatMap((i) => [x.matmul(weights.slice(i)), whole(weights.slice(i))]).concat(x.matmul(weights));
    const x = ng.random.normal(ng.random.key(9), [20, 128]);
    const results = ["native", "reference"].map((backend) => onBackend(backend, () => ng.jit(f)(x)));
    results[1]?.forEach((wanted, i) => {
      assertClose(results[0]?.[i] ?? wanted, wanted, { kind: "relative", roundings: 64 }, `product ${i}`);
    });
  });

  test("parts of states are those of before and after the assignments around them", () => {
    const part = fc.record({ of: fc.nat(7), first: fc.nat(5), count: fc.integer({ min: 1, max: 3 }) });
    const step = fc.record({
      kind: fc.constantFrom("compute", "assign", "exchange", "give"),
      parts: fc.array(part, { minLength: 1, maxLength: 3 }),
    });
    assertProperty(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        const run = (backend: string) =>
          onBackend(backend, () => {
            const states = [1, 2].map((seed) => ng.variable(ng.random.normal(ng.random.key(seed), [6, 4])));
            const update = ng.jit((x: Tensor) => {
              const values = [x];
              const given: Tensor[] = [];
              const take = ({ of, first, count }: { of: number; first: number; count: number }): Tensor => {
                const known = [...states.map(({ value }) => value), ...values];
                const from = known[of % known.length] ?? x;
                return rows(from, Math.min(first, 5), Math.min(first + count, 6));
              };
              for (const { kind, parts } of steps) {
                const taken = parts.map(take);
                const [one, other] = states;
                // Six rows again, for parts of parts.
                const six = rows(ng.concat([...taken.map(whole), ...taken, x]), 0, 6);
                if (kind === "compute") values.push(six, six.reshape([6, 4]));
                else if (kind === "give") given.push(...taken, ...taken.map((y) => y.reshape([-1])));
                else if (kind === "assign") one?.assign(six.add(one.value));
                else if (one && other) {
                  const before = one.value;
                  one.assign(other.value.reshape([6, 4]));
                  other.assign(before);
                }
              }
              return [...given, ...values.map(whole)];
            });
            const x = ng.random.normal(ng.random.key(3), [6, 4]);
            const outputs = [1, 2, 3].flatMap(() => update(x));
            return [...outputs, ...states.map(({ value }) => value)];
          });
        const expected = run("reference");
        const actual = run("native");
        assert.equal(actual.length, expected.length);
        expected.forEach((wanted, i) => {
          assertClose(actual[i] ?? wanted, wanted, { kind: "relative", roundings: 4096 }, `value ${i}`);
        });
      }),
      150,
    );
  });
});
