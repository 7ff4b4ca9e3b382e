/** The float32 error function over all it can be asked for: how far off it is, and what calculus says of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

/** Evenly from 0 to 4, where the result is 1, and by equal factors down to 2⁻²⁰: results on both sides of each power of two. */
const points = 1 << 16;
const positive = Float32Array.from({ length: 2 * points }, (_, i) =>
  i < points ? (4 * i) / points : 2 ** ((-20 * (i - points)) / points),
);

/** In units in the last place. */
function worstError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const exact = expected[i] ?? 0;
    const unit = 2 ** (Math.floor(Math.log2(exact)) - 23);
    if (exact > 0) worst = Math.max(worst, Math.abs((actual[i] ?? 0) - exact) / unit);
  }
  return worst;
}

test("erf is at most three units in the last place off, odd, and never beyond 1", { skip }, () => {
  const exact = onBackend("reference", () => ng.erf(ng.tensor(Float64Array.from(positive))).dataSync());
  onBackend("native", () => {
    const x = ng.tensor(positive);
    const y = ng.erf(x).dataSync();
    const error = worstError(y as Float32Array, exact as Float64Array);
    assert.ok(error < 3, `${error} units in the last place`);
    assert.ok((y as Float32Array).every((value) => value <= 1));
    assert.deepEqual(ng.erf(x.neg()).neg().dataSync(), y);
  });
});

test("erf of infinities is ±1, of NaN NaN, and of −0 is −0", { skip }, () => {
  onBackend("native", () => {
    const y = ng.erf(ng.tensor(Float32Array.of(Infinity, -Infinity, NaN, -0, 5, -1e30))).dataSync();
    assert.deepEqual([...(y as Float32Array)], [1, -1, NaN, -0, 1, -1]);
  });
});
