import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatFloat32, formatFloat64, JsonReader } from "../../packages/serve/src/json/index.ts";

const read = (text: string): JsonReader => new JsonReader(Buffer.from(text));

/** Number texts of all lengths and exponents, those beside rounding boundaries among them. */
const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc
    .tuple(
      fc.boolean(),
      fc.bigInt(0n, 10n ** 25n),
      fc.option(fc.stringMatching(/^\d{1,25}$/)),
      fc.option(fc.integer({ min: -400, max: 400 })),
    )
    .map(([negative, whole, fraction, exponent]) => {
      const point = fraction === null ? "" : `.${fraction}`;
      return `${negative ? "-" : ""}${whole}${point}${exponent === null ? "" : `e${exponent}`}`;
    }),
);

describe("the JSON reader agrees with JSON.parse", () => {
  test("on every number, to the last bit", () => {
    fc.assert(
      fc.property(numberText, (text) => {
        const reader = read(text);
        assert.ok(Object.is(reader.number(), JSON.parse(text)), text);
        assert.equal(reader.numberText(), text);
        reader.end();
      }),
      { numRuns: 2000 },
    );
  });

  test("on which texts are JSON", () => {
    const damaged = fc
      .tuple(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.constantFrom("", ",", "]", "}", "[", "{", '"', ":", "0", "-", ".", "e", "\\", " ", "\n"),
      )
      .map(([text, at, inserted]) => {
        const position = at % (text.length + 1);
        return text.slice(0, position) + inserted + text.slice(position + (at % 3));
      });
    fc.assert(
      fc.property(fc.oneof(fc.json(), damaged), (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const reader = read(text);
        const check = (): void => {
          reader.skipValue();
          reader.end();
        };
        if (valid) check();
        else assert.throws(check, { name: "RequestError", status: 400 }, JSON.stringify(text));
      }),
      { numRuns: 2000 },
    );
  });

  test("on every string", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        assert.equal(read(JSON.stringify(value)).string(), value);
      }),
    );
  });
});

describe("numbers in answers", () => {
  test("a float32 reads back as itself from at most nine digits", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = formatFloat32(value, "tokens");
        assert.ok(Object.is(Math.fround(Number(text)), value), `${value} ${text}`);
        assert.ok(Object.is(Math.fround(JSON.parse(text) as number), value));
        const digits = text
          .replace(/e.*$/, "")
          .replace(/\.0$/, "")
          .replace(/\D/g, "")
          .replace(/^0+|0+$/g, "");
        assert.ok(digits.length <= 9, text);
        assert.match(text, /[.e]/);
      }),
      { numRuns: 2000 },
    );
  });

  test("a float64 reads back as itself", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = formatFloat64(value, "tokens");
        assert.ok(Object.is(JSON.parse(text), value), text);
        assert.match(text, /[.e]/);
      }),
    );
  });
});
