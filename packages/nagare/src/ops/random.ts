/** Random bits from a counter: the same key gives the same bits on every backend, in whatever order they are made. */
import { checkShape, concreteSize, formatAval, type Shape, ShapeError } from "../core/index.ts";
import { type Op1, op1 } from "./define/index.ts";

type Family = typeof import("./random.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** The upper and lower 32 bits of a product of two 32-bit numbers. */
function wideProduct(a: number, b: number): [high: number, low: number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carried = aLow * bHigh + (middle % 0x10000);
  return [
    aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000),
    Math.imul(a, b) >>> 0,
  ];
}

/**
 * Philox 4×32 with 10 rounds: four words from a counter of four words and a key of two.
 * Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): readonly number[] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = wideProduct(0xd2511f53, c0);
    const [high1, low1] = wideProduct(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * Random int32 bits of `shape` for each key of two words: key [..., 2] → [..., ...shape]. Element j of a key is word
 * j mod 4 of philox((⌊j/4⌋, 0, 0, 0), key). At most 2³⁴ elements a key.
 */
export const randomBits: Op1<{ shape: Shape }> = op1("randomBits", {
  dtypes: ["int32"],
  abstract: ([key], { shape }) => {
    checkShape(shape, "randomBits");
    if (key.shape.at(-1) !== 2) {
      throw new ShapeError(
        `randomBits: expected a key of two words, shape [..., 2]; received ${formatAval(key)}. Make keys with ng.random.key(seed).`,
      );
    }
    return { shape: [...key.shape.slice(0, -1), ...shape], dtype: "int32" };
  },
  jvp: null,
  batch: (o, [key], _, params) => o.randomBits(key, params),
  reference: ([key], _, output) => {
    const keys = key.data.length / 2;
    const count = keys === 0 ? 0 : concreteSize(output.shape) / keys;
    const bits = new Int32Array(keys * count);
    for (let i = 0; i < keys; i++) {
      const words = [Number(key.data[2 * i]) >>> 0, Number(key.data[2 * i + 1]) >>> 0] as const;
      for (let block = 0; 4 * block < count; block++) {
        const lanes = philox([block, 0, 0, 0], words);
        for (let j = 4 * block; j < Math.min(4 * block + 4, count); j++)
          bits[i * count + j] = lanes[j % 4] ?? 0;
      }
    }
    return bits;
  },
  samples: () => [
    { inputs: [{ shape: [2], low: -1000, high: 1000 }], params: { shape: [7] } },
    { inputs: [{ shape: [2, 3, 2], low: -1000, high: 1000 }], params: { shape: [2, 5] } },
    { inputs: [{ shape: [2], low: -1000, high: 1000 }], params: { shape: [] } },
    { inputs: [{ shape: [2], low: -1000, high: 1000 }], params: { shape: [0] } },
  ],
});
