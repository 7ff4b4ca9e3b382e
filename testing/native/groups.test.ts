/**
 * Trees of operations that the engine computes in one loop: what the operations give one by one, bit for bit where no sum takes a product,
 * which is one rounding in any chain; and near the reference.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

const scale = Math.sqrt(2 / Math.PI);
const gate = (x: ng.Tensor, f: ng.Tensor) => x.mul(0.5).mul(f.add(1));
const trees: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor } = {
  gelu: (x) => x.gelu(),
  "gelu by tanh": (x) => ng.gelu(x, { approximate: true }),
  "gelu by tanh of a cube that is scaled first": (x) =>
    gate(x, x.add(x.mul(0.044715).mul(x).mul(x)).mul(scale).tanh()),
  "operands in the other order": (x) => ng.mul(ng.add(1, ng.erf(ng.mul(Math.SQRT1_2, x))), ng.mul(0.5, x)),
  "other constants": (x) => x.mul(-2).mul(ng.erf(x.mul(3)).add(-0.25)),
  "an operand that is computed": (x) => ng.gelu(x.add(1).abs()).sub(x),
};
/** Those that look alike. */
const others: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor[] } = {
  "a value between that is a result too": (x) => {
    const f = ng.erf(x.mul(0.5));
    return [gate(x, f), f];
  },
  "another operand under the error function": (x) => [gate(x, ng.erf(ng.flip(x, [0]).mul(0.5)))],
  "a factor that is no constant": (x) => [x.mul(x.slice([0, 1])).mul(ng.erf(x.mul(0.5)).add(1))],
  float64: (x) => [x.astype("float64").gelu()],
  float16: (x) => [x.astype("float16").gelu().astype("float32")],
};
/** Below a vector, with a rest, beyond a tile; the last two beyond the caches. */
const sizes = [1, 7, 16, 33, 500, 4099, 2 ** 22, 3_000_001];

function draw(n: number): ng.Tensor {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-40, 60, -60];
  const elements = Float32Array.from(
    { length: n },
    (_, i) => special[i - 20] ?? Math.fround(6 * Math.sin(i * i)),
  );
  return ng.tensor(elements);
}

describe("groups", { skip }, () => {
  for (const n of sizes) {
    for (const [name, f] of Object.entries(trees)) {
      test(`${name}, ${n} elements: like the operations one by one`, () =>
        onBackend("native", () => {
          const x = draw(n);
          const [found, expected] = [ng.jit(f)(x).dataSync(), f(x).dataSync()];
          const exact = !name.startsWith("gelu by tanh");
          // Not deepEqual, which takes minutes to tell long arrays apart.
          const wrong = expected.findIndex((value, i) => {
            const y = Number(found[i]);
            return !Object.is(y, value) && (exact || !(Math.abs(y - Number(value)) <= 2e-6));
          });
          assert.equal(
            wrong,
            -1,
            `${found[wrong]} in place of ${expected[wrong]} for ${x.dataSync()[wrong]}`,
          );
        }));
    }
  }
  for (const [name, f] of Object.entries({ ...others, ...wrapped(trees) })) {
    test(`${name}: near the reference`, () => {
      const on = (backend: "native" | "reference") =>
        onBackend(backend, () =>
          ng
            .jit(f)(draw(533))
            .map((y) => [...y.dataSync()].map(Number)),
        );
      const [found, expected] = [on("native"), on("reference")];
      expected.forEach((row, r) => {
        row.forEach((value, i) => {
          const y = found[r]?.[i];
          const tolerance = name === "float16" ? 4e-3 : 2e-6;
          const near =
            Object.is(y, value) ||
            y === value ||
            Math.abs(Number(y) - value) <= tolerance * Math.max(1, Math.abs(value));
          assert.ok(near, `result ${r}, element ${i}: ${y} in place of ${value}`);
        });
      });
    });
  }
});

function wrapped(of: typeof trees): typeof others {
  return Object.fromEntries(Object.entries(of).map(([name, f]) => [name, (x: ng.Tensor) => [f(x)]]));
}
