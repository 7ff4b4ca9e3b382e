/** Random bits from a counter: the same key gives the same bits on every backend, in whatever order they are made. */
import { checkShape, concreteSize, formatAval, philox, type Shape, ShapeError } from "../core/index.ts";
import { type Op1, op1 } from "./define/index.ts";

type Family = typeof import("./random.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
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
  // Ten rounds make four words, of four products of 32 bits (two upper and two lower halves) and four sums modulo 2.
  cost: (_, __, bits) => ({ flops: 20 * concreteSize(bits.shape) }),
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
