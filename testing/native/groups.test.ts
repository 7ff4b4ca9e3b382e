/**
 * Operations that the engine computes in one loop: what they give one by one, bit for bit where no sum takes a product, which is one
 * rounding in any chain; and near the reference.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

type Chain = (...operands: ng.Tensor[]) => ng.Tensor | ng.Tensor[];

const scale = Math.sqrt(2 / Math.PI);
const gate = (x: ng.Tensor, f: ng.Tensor) => x.mul(0.5).mul(f.add(1));
/** Of which no product below takes much away. */
const far = (x: ng.Tensor) => x.abs().add(2000);
const first = (x: ng.Tensor) => x.slice([0, 1]);
/** Adam's step with the change that `change` makes of m, v and the weight; the squares first where `change` reads them first. */
const adam = (w: ng.Tensor, g: ng.Tensor, m: ng.Tensor, v: ng.Tensor, squares = v, decay?: number) => {
  const moment = m.mul(0.9).add(g.mul(0.1));
  const second = squares.mul(0.999).add(g.square().mul(0.001));
  const change = moment.mul(0.25).div(second.sqrt().mul(1.5).add(1e-8));
  return [w.sub(decay === undefined ? change : change.add(w.mul(decay))), moment, second] as const;
};
/**
 * `exact`: what the operations give one by one to the last bit. `limit`: what it is at −∞, where the operations that it is
 * written in give 0·∞.
 */
const groups: {
  readonly [name: string]: { readonly exact: boolean; readonly limit?: number; readonly f: Chain };
} = {
  gelu: { exact: true, limit: 0, f: (x) => x.gelu() },
  "gelu by tanh": { exact: false, limit: 0, f: (x) => ng.gelu(x, { approximate: true }) },
  "gelu by tanh of a cube that is scaled first": {
    exact: false,
    limit: 0,
    f: (x) => gate(x, x.add(x.mul(0.044715).mul(x).mul(x)).mul(scale).tanh()),
  },
  "operands in the other order": {
    exact: false,
    limit: 0,
    f: (x) => ng.mul(ng.add(1, ng.erf(ng.mul(Math.SQRT1_2, x))), ng.mul(0.5, x)),
  },
  "other constants": { exact: true, f: (x) => x.mul(-2).mul(ng.erf(x.mul(3)).add(-0.25)) },
  "one other constant": { exact: true, f: (x) => x.mul(0.5).mul(ng.erf(x.mul(0.7)).add(1)) },
  "factors that are no constants": {
    exact: true,
    f: (x) => x.mul(first(x)).mul(ng.erf(x.mul(first(x))).add(1)),
  },
  "an operand that is computed": { exact: true, f: (x) => ng.gelu(x.add(1).abs()).sub(x) },
  silu: { exact: true, f: (x) => ng.silu(x) },
  "a gate of another operand": { exact: true, f: (x, y) => ng.mul(y, ng.silu(x)) },
  "a gate of the same operand": { exact: true, f: (x) => ng.silu(x).mul(x) },
  "a gate of rows": { exact: true, f: (x, y) => [ng.silu(x), x.sigmoid().mul(x).mul(y)] },
  "a normalization": { exact: false, f: (x, y, m, v) => x.sub(y).mul(m).mul(v).add(far(v)) },
  "a normalization by two scalars": {
    exact: false,
    f: (x, y, m, v) => x.sub(first(y)).mul(first(v)).mul(m).add(far(v)),
  },
  "a normalization by one factor": { exact: false, f: (x, y, m, v) => x.sub(y).mul(m).add(far(v)) },
  "the derivative of a normalization": {
    exact: false,
    f: (x, y, m, v) => x.mul(y).sub(far(v)).sub(x.sub(m).mul(y)),
  },
  "Adam's step": { exact: false, f: (w, g, m, v) => [...adam(w, g, m, v)] },
  "Adam's step with weight decay": { exact: false, f: (w, g, m, v) => [...adam(w, g, m, v, v, 0.01)] },
  "Adam's step whose moment others read": {
    exact: false,
    f: (w, g, m, v) => {
      const [weight, first, second] = adam(w, g, m, v);
      return [weight.add(first), first.mul(second), second];
    },
  },
  "Adam's step whose squares begin as the moment": {
    exact: false,
    f: (w, g, m) => [...adam(w, g, m, m, m.mul(0.9).add(g.mul(0.1)).abs().add(0.1))],
  },
  "Adam's step from one operand": { exact: false, f: (x) => [...adam(x, x, x, x)] },
};
/** Those that look alike. */
const others: { readonly [name: string]: Chain } = {
  "a value between that is a result too": (x) => {
    const f = ng.erf(x.mul(0.5));
    return [gate(x, f), f];
  },
  "another operand under the error function": (x) => [gate(x, ng.erf(ng.flip(x, [0]).mul(0.5)))],
  float64: (x) => [x.astype("float64").gelu()],
  float16: (x) => [x.astype("float16").gelu().astype("float32")],
};
/** Below a vector, with a rest, beyond a tile; the last two beyond the caches. */
const sizes = [1, 7, 16, 33, 500, 4099, 2 ** 22, 3_000_001];
const mostOperands = 4;

const drawn = new Map<number, ng.Tensor[]>();
function draw(n: number): ng.Tensor[] {
  const known = drawn.get(n) ?? drawAnew(n);
  drawn.set(n, known);
  return known;
}
function drawAnew(n: number): ng.Tensor[] {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-40, 60, -60];
  return Array.from({ length: mostOperands }, (_, k) => {
    const elements = Float32Array.from(
      { length: n },
      (_, i) => special[i - 20 - k] ?? 6 * Math.sin(i * i + k),
    );
    // The last stands for a mean of squares, of which there is a root.
    return ng.tensor(k === mostOperands - 1 ? elements.map((x) => Math.abs(x) + 0.1) : elements);
  });
}

/** The results, of the operations one by one where there are no options. */
const valuesOf = (f: Chain, operands: readonly ng.Tensor[], options?: ng.JitOptions) =>
  [options ? ng.jit(f, options)(...operands) : f(...operands)].flat().map((y) => y.dataSync());

function near(found: number, expected: number, tolerance: number): boolean {
  return (
    Object.is(found, expected) ||
    found === expected ||
    Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected))
  );
}

/** The values, with the limit where the first operand is −∞. */
const withLimit = (
  values: readonly ArrayLike<number | bigint>[],
  operands: readonly ng.Tensor[],
  limit?: number,
) => {
  if (limit === undefined) return values;
  const x = operands[0]?.dataSync();
  return values.map((row) =>
    Array.from(row, (value, i) => (x?.[i] === Number.NEGATIVE_INFINITY ? limit : value)),
  );
};

/** Not deepEqual, which takes minutes to tell long arrays apart. */
function assertEach(
  found: readonly ArrayLike<number | bigint>[],
  expected: readonly ArrayLike<number | bigint>[],
  equal: (found: number, expected: number) => boolean,
): void {
  assert.equal(found.length, expected.length);
  expected.forEach((row, r) => {
    for (let i = 0; i < row.length; i++) {
      const [y, value] = [Number(found[r]?.[i]), Number(row[i])];
      if (!equal(y, value)) assert.fail(`result ${r}, element ${i}: ${y} in place of ${value}`);
    }
  });
}

describe("groups", { skip }, () => {
  for (const n of sizes) {
    for (const [name, { exact, limit, f }] of Object.entries(groups)) {
      test(`${name}, ${n} elements: like the operations one by one`, () =>
        onBackend("native", () => {
          const operands = draw(n);
          const given = valuesOf(f, operands);
          const expected = exact ? given : withLimit(given, operands, limit);
          const equal = exact ? Object.is : (y: number, value: number) => near(y, value, 2e-6);
          assertEach(valuesOf(f, operands, {}), expected, equal);
        }));
    }
  }

  for (const n of [4099, 3_000_001]) {
    test(`${n} elements: results in the place of operands`, () =>
      onBackend("native", () => {
        const operands = drawAnew(n);
        const f: Chain = (w, g, m, v) => [
          ...adam(w as ng.Tensor, g as ng.Tensor, m as ng.Tensor, v as ng.Tensor),
        ];
        const expected = valuesOf(f, operands, {});
        assertEach(valuesOf(f, operands, { donate: [0, 2, 3] }), expected, Object.is);
      }));
  }

  const alike = Object.fromEntries(
    Object.entries(others).map(([name, f]) => [name, { f, limit: undefined }]),
  );
  for (const [name, { f, limit }] of Object.entries({ ...groups, ...alike })) {
    test(`${name}: near the reference`, () => {
      const operands = draw(533);
      const on = (backend: "native" | "reference") => onBackend(backend, () => valuesOf(f, operands, {}));
      const tolerance = name === "float16" ? 4e-3 : 2e-6;
      const expected = withLimit(on("reference"), operands, limit);
      assertEach(on("native"), expected, (y, value) => near(y, value, tolerance));
    });
  }

  for (const approximate of [false, true]) {
    test(`gelu${approximate ? " by tanh" : ""}: within float32's rounding of float64`, () =>
      onBackend("native", () => {
        const x = ng.linspace(-9, 9, 100_001).astype("float32");
        const found = ng.gelu(x, { approximate }).dataSync();
        const expected = ng.gelu(x.astype("float64"), { approximate }).dataSync();
        // Half an ulp of the fourth root of one half, four times, and what its powers are rounded by.
        x.dataSync().forEach((at, i) => {
          const error = Math.abs(Number(found[i]) - Number(expected[i])) / Math.abs(Number(at));
          assert.ok(!(error > 3.5 * 2 ** -24), `gelu(${at}) is ${found[i]} in place of ${expected[i]}`);
        });
      }));
  }

  test("members of several sizes: as each by itself", () =>
    onBackend("native", () => {
      const lengths = [3, 700_001, 64, 5000, 1];
      const train = (sizes: readonly number[]) => {
        const weights = sizes.map((n) => ng.variable(draw(n)[0] as ng.Tensor));
        const gradients = sizes.map((n) => draw(n)[1] as ng.Tensor);
        const optimizer = ng.optim.adamw(0.01);
        const step = ng.jit((...gradients: ng.Tensor[]) => optimizer.apply(weights, gradients));
        for (let i = 0; i < 3; i++) step(...gradients);
        return weights.map((weight) => weight.value.dataSync());
      };
      assertEach(
        train(lengths),
        lengths.flatMap((n) => train([n])),
        Object.is,
      );
    }));
});
