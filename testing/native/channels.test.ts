/**
 * Normalization by channels, of a batch and of groups, and what it is made of: channels of less than a vector, of several and a part,
 * few and many examples, rows that make one chunk of sums and many.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { builder as o } from "nagare/backend";
import { assertAlike } from "../generator/alike.ts";
import { testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

const groupNorm = (groups: number) => (x: ng.Tensor) => ng.groupNorm(x, { groups, epsilon: 1e-5 });
const weighted = (x: ng.Tensor): ng.Tensor => {
  const channels = Number(x.shape.at(-1));
  const [scale, offset] = [1, 2].map((seed) => ng.random.normal(ng.random.key(seed), [channels]));
  return ng.groupNorm(x, {
    groups: channels,
    scale: scale?.astype(x.dtype) ?? 1,
    offset: offset?.astype(x.dtype) ?? 0,
  });
};
const gradient = (f: (x: ng.Tensor) => ng.Tensor) => (x: ng.Tensor) =>
  ng.grad((x: ng.Tensor) => f(x).mul(x.mul(3).sin()).sum())(x);
const moments = (batchAxes: number) => (x: ng.Tensor) =>
  ng.concat(
    (o.channelMoments([x], { batchAxes }) as ng.Tensor[]).map((one) => one.ravel()),
    { axis: 0 },
  );
const products = (batchAxes: number) => (x: ng.Tensor) => {
  const [means = x] = o.channelMoments([x], { batchAxes });
  return ng.concat(
    (o.channelProducts([x.cos(), x, means], { batchAxes }) as ng.Tensor[]).map((one) => one.ravel()),
    { axis: 0 },
  );
};

const functions: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor } = {
  "one group": groupNorm(1),
  "each channel": weighted,
  "gradient of one group": gradient(groupNorm(1)),
  "gradient of each channel": gradient(weighted),
  "moments of all": moments(0),
  "moments of examples": moments(1),
  "products of all": products(0),
  "products of examples": products(1),
  "moments of examples, batched": ng.vmap(moments(0)),
  "products of examples, batched": ng.vmap(products(0)),
};
const shapes: readonly (readonly number[])[] = [
  [3, 5, 1],
  [2, 700, 19],
  [2, 30, 30, 16],
  [1, 6000, 3],
  [130, 4, 8],
  [2, 9, 300],
  [5, 7],
  [70, 64, 1],
  [3, 100, 1],
  [2, 40_000, 1],
];

describe("channels", { skip }, () => {
  for (const [name, f] of Object.entries(functions)) {
    for (const dtype of ["float32", "float64"] as const) {
      test(`${name} of ${dtype}: native equals reference for all shapes`, () => {
        for (const [key, shape] of shapes.entries()) assertAlike(f, key, shape, dtype);
      });
    }
  }

  for (const dtype of ["float32", "float64"] as const) {
    test(`variance of ${dtype} over the last axes: native equals reference for all shapes`, () => {
      const runs = [[3, 64], [130, 100], [2, 40_000], [5, 7, 65], [70, 10], [90_001]];
      for (const [key, shape] of runs.entries()) {
        for (const axis of [-1, undefined]) {
          for (const correction of [0, 1]) {
            const variance = (x: ng.Tensor) => ng.variance(x, { ...(axis && { axis }), correction });
            assertAlike(variance, key, shape, dtype);
          }
        }
      }
    });
  }

  test("the variance beside one number far away", () => {
    const values = Float64Array.from({ length: 100_000 }, (_, i) => (i === 0 ? 4000 : i % 2));
    const exact = ng.variance(ng.tensor(values)).item();
    const single = ng.variance(ng.tensor(Float32Array.from(values))).item();
    assert.ok(Math.abs(Number(single) / Number(exact) - 1) < 1e-6, `${single} of ${exact}`);
  });

  test("numbers far from 0: the reference's", () => {
    const far = (x: ng.Tensor) => groupNorm(2)(x.add(1000));
    assertAlike(far, 1, [3, 400, 6], "float64");
  });
});
