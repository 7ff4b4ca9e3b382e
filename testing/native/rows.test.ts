/**
 * Softmax and layer normalization of rows in groups: rows of less than a vector, of one, of several and a part; fewer rows
 * than a group, and a group and some; and beyond the caches, like those of a part.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as ng from "nagare";
import { assertAlike, assertClose } from "../generator/alike.ts";
import { onBackend, testedBackends } from "../generator/backends.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

/** The derivatives of a normalization by its rows and weights, in one result. */
function gradientByWeights(
  normalize: (x: ng.Tensor, scale: ng.Tensor, offset: ng.Tensor) => ng.Tensor,
): (x: ng.Tensor) => ng.Tensor {
  return (x) => {
    const width = Number(x.shape[1]);
    const scale = ng.linspace(0.5, 2, width).astype(x.dtype);
    const loss = (x: ng.Tensor, scale: ng.Tensor, offset: ng.Tensor) =>
      normalize(x, scale, offset).mul(x.cos()).sum();
    const derivative = ng.grad(loss, { argnums: [0, 1, 2] })(x, scale, scale.mul(-1));
    const [dx = x, ...ofWeights] = derivative as unknown as readonly ng.Tensor[];
    return ng.concat([dx, ...ofWeights.map((d) => d.reshape([1, width]))], { axis: 0 });
  };
}

const functions: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor } = {
  softmax: (x) => x.softmax(),
  logSoftmax: (x) => x.logSoftmax(),
  layerNorm: (x) => ng.layerNorm(x, { epsilon: 1e-5 }),
  rmsNorm: (x) => ng.rmsNorm(x, { epsilon: 1e-5 }),
  "gradient of softmax": (x) => ng.grad((x: ng.Tensor) => x.softmax().square().sum())(x),
  "gradient of logSoftmax": (x) => ng.grad((x: ng.Tensor) => x.logSoftmax().square().sum())(x),
};
/** Along the middle axis of [outer, n, inner]: one block of columns and several, with lanes left over, and what the kernel leaves. */
const alongMiddle: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor } = {
  softmax: (x) => ng.softmax(x, { axis: 1 }),
  logSoftmax: (x) => ng.logSoftmax(x, { axis: 1 }),
  "gradient of softmax": (x) => ng.grad((x: ng.Tensor) => ng.softmax(x, { axis: 1 }).square().sum())(x),
  "gradient of logSoftmax": (x) => ng.grad((x: ng.Tensor) => ng.logSoftmax(x, { axis: 1 }).square().sum())(x),
};
const stacks: readonly (readonly [number, number, number])[] = [
  ...[1, 2, 5, 16, 65, 300, 512].flatMap((n) =>
    [8, 9, 16, 31, 64, 77].map((inner) => [2, n, inner] as const),
  ),
  [3, 513, 8],
  [3, 10, 7],
  [70, 20, 130],
];
const counts = [1, 7, 8, 19, 150];
const widths = [1, 2, 3, 10, 15, 16, 17, 31, 64, 77, 256, 5000];

/** The labels of rows take turns, among them one that names no class: its derivative is 0. */
const withLabels: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor } = {
  "cross-entropy": (x) => ng.nn.losses.sparseCategoricalCrossentropy(turns(x, 0), x),
  "gradient of cross-entropy": (x) =>
    ng.grad((x: ng.Tensor) => ng.nn.losses.sparseCategoricalCrossentropy(turns(x, 1), x))(x),
};
function turns(x: ng.Tensor, unknown: number): ng.Tensor {
  const [rows, width] = x.shape as [number, number];
  return ng.tensor(
    Int32Array.from({ length: rows }, (_, row) => row % (width + unknown)),
    { shape: [rows] },
  );
}

const withWeights: { readonly [name: string]: (x: ng.Tensor) => ng.Tensor } = {
  "gradient of layerNorm": gradientByWeights((x, scale, offset) => ng.layerNorm(x, { scale, offset })),
  "gradient of rmsNorm": gradientByWeights((x, scale) => ng.rmsNorm(x, { scale })),
};

describe("rows", { skip }, () => {
  for (const [name, f] of Object.entries({ ...functions, ...withLabels, ...withWeights })) {
    for (const dtype of ["float32", "float64"] as const) {
      test(`${name} of ${dtype}: native equals reference for every width and number of rows`, () => {
        for (const rows of counts) {
          for (const width of widths) {
            if (rows * width > 100_000) continue;
            assertAlike(f, width, [rows, width], dtype);
          }
        }
      });
    }
  }
  for (const [name, f] of Object.entries(alongMiddle)) {
    for (const dtype of ["float32", "float64"] as const) {
      test(`${name} of ${dtype} along an axis that is not the last: native equals reference`, () => {
        for (const shape of stacks) assertAlike(f, shape[1], shape, dtype);
      });
    }
  }
  for (const name of ["softmax", "logSoftmax"] as const) {
    const f = functions[name] as (x: ng.Tensor) => ng.Tensor;
    test(`${name} of numbers far apart: the reference's, and what is no number stays in its row`, () => {
      const rows = 37;
      const width = 70;
      const steps = [0, -0.5, -20, -80, -86.9, -87.5, -100, -1e4, -3e38, Number.NEGATIVE_INFINITY];
      const values = Float32Array.from({ length: rows * width }, (_, i) => {
        const row = Math.floor(i / width);
        if (row % 9 === 4 && i % width === (row * 5) % width) return Number.NaN;
        return 3 - (row % 3) * 40 + (steps[(i * 7 + row) % steps.length] as number);
      });
      const [native, reference] = (["native", "reference"] as const).map((backend) =>
        onBackend(backend, () => f(ng.tensor(values, { shape: [rows, width] })).dataSync()),
      ) as [Float32Array, Float32Array];
      reference.forEach((expected, i) => {
        const actual = native[i] as number;
        const row = Math.floor(i / width);
        if (row % 9 === 4)
          assert.ok(Number.isNaN(actual) && Number.isNaN(expected), `element ${i}: ${actual}, ${expected}`);
        else if (!Number.isFinite(expected)) assert.equal(actual, expected, `element ${i}`);
        // An exponential below 2⁻¹²⁵ may be 0.
        else
          assert.ok(
            Math.abs(actual - expected) <= 1e-6 * Math.abs(expected) + 2 ** -125,
            `element ${i}: ${actual}, ${expected}`,
          );
      });
    });
  }
  for (const [name, f] of Object.entries(functions)) {
    test(`${name} beyond the caches, like that of a part`, () =>
      onBackend("native", () => {
        const part = 40;
        // Rows that are whole lines, which go to memory from the last pass, and others.
        for (const [rows, width, dtype] of [
          [400_003, 10, "float32"],
          [50_021, 77, "float32"],
          [16_405, 256, "float32"],
          [4_099, 1024, "float32"],
          [8_211, 256, "float64"],
        ] as const) {
          const x = ng.random.normal(ng.random.key(width), [rows, width]).astype(dtype);
          const y = ng.jit(f)(x);
          for (const first of [0, 1201, rows - part]) {
            const cut = (t: ng.Tensor) => t.slice([first, first + part]);
            assertClose(cut(y), ng.jit(f)(cut(x)), `${dtype} [${rows}, ${width}] from ${first}`);
          }
        }
      }));
  }
});
