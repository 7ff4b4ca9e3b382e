import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  bfloat16ToNumber,
  float16ToNumber,
  numberToBfloat16,
  numberToFloat16,
  roundHalfToEven,
} from "nagare/backend";
import { assertProperty } from "../property.ts";

interface HalfFormat {
  readonly name: string;
  readonly decode: (bits: number) => number;
  readonly encode: (value: number) => number;
  readonly infinity: number;
  /** What a number becomes before it is rounded to the format. */
  readonly first: (value: number) => number;
}

const formats: readonly HalfFormat[] = [
  { name: "float16", decode: float16ToNumber, encode: numberToFloat16, infinity: 0x7c00, first: (x) => x },
  {
    name: "bfloat16",
    decode: bfloat16ToNumber,
    encode: numberToBfloat16,
    infinity: 0x7f80,
    first: Math.fround,
  },
];

/**
 * The nearest bits by search among all of them, which rise with the value. One step above the largest finite number
 * stands infinity, as IEEE 754 rounds; of two equally near the even one wins.
 */
function nearest({ decode, infinity }: HalfFormat, value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  const numberAt = (bits: number): number =>
    bits < infinity ? decode(bits) : 2 * decode(infinity - 1) - decode(infinity - 2);
  let [low, high] = [0, infinity];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numberAt(middle) <= magnitude) low = middle;
    else high = middle;
  }
  if (magnitude >= numberAt(high)) return sign | high;
  const [below, above] = [magnitude - numberAt(low), numberAt(high) - magnitude];
  if (below === above) return sign | (low % 2 === 0 ? low : high);
  return sign | (below < above ? low : high);
}

for (const format of formats) {
  describe(format.name, () => {
    const { decode, encode, infinity, first } = format;

    test("all 65,536 bit patterns survive the way to a number and back", () => {
      for (let bits = 0; bits < 0x10000; bits++) {
        const value = decode(bits);
        const noNumber = (bits & 0x7fff) > infinity;
        assert.equal(Number.isNaN(value), noNumber, `bits ${bits.toString(16)}`);
        if (noNumber) assert.ok((encode(value) & 0x7fff) > infinity);
        else assert.equal(encode(value), bits, `bits ${bits.toString(16)} are ${value}`);
      }
    });

    test("values rise with the bits", () => {
      for (let bits = 1; bits <= infinity; bits++) assert.ok(decode(bits) > decode(bits - 1));
    });

    test("any number becomes the nearest one, ties the even one", () => {
      const anywhere = fc.double({ noNaN: true });
      const inRange = fc.double({ noNaN: true, min: -70000, max: 70000 });
      assertProperty(
        fc.property(fc.oneof(anywhere, inRange, fc.float({ noNaN: true })), (value) => {
          assert.equal(encode(value), nearest(format, first(value)), `${value}`);
        }),
        3000,
      );
    });

    test("a number halfway between two goes to the even one, and its neighbours to the nearer", () => {
      for (let bits = 0; bits < infinity - 1; bits += 7) {
        const middle = (decode(bits) + decode(bits + 1)) / 2;
        assert.equal(encode(middle), bits % 2 === 0 ? bits : bits + 1);
        const offset = (decode(bits + 1) - decode(bits)) / 1024;
        assert.equal(encode(middle - offset), bits);
        assert.equal(encode(middle + offset), bits + 1);
      }
    });
  });
}

test("float16 turns 65520 into infinity and what is below into 65504", () => {
  assert.equal(float16ToNumber(numberToFloat16(65520)), Number.POSITIVE_INFINITY);
  assert.equal(float16ToNumber(numberToFloat16(65519.99)), 65504);
  assert.equal(float16ToNumber(numberToFloat16(-1e9)), Number.NEGATIVE_INFINITY);
});

test("roundHalfToEven rounds to the nearest whole number, ties to the even one", () => {
  const table = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.3, -0],
    [-0.5, -0],
    [-1.5, -2],
    [-2.5, -2],
    [0.49999999999999994, 0],
    [-0.6, -1],
    [7, 7],
    [-0, -0],
    [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [Number.NaN, Number.NaN],
  ];
  for (const [x = 0, expected] of table) assert.equal(roundHalfToEven(x), expected, `${x}`);
});
