import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { dtypes, FormatError, ValueError } from "../../packages/nagare/src/core/index.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  readSafetensorsWithMetadata,
  writeSafetensors,
  writeSafetensorsAsync,
} from "../../packages/nagare/src/saved/index.ts";
import { assertProperty } from "../property.ts";
import { anyTensors, assertSameTensors, bytesOf, floats, patterned } from "./tensors.ts";

/** A file with this header, whatever it says, and this many bytes of elements. */
function fileOf(header: string | object, dataBytes = 0, declaredLength?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, declaredLength ?? BigInt(text.byteLength), true);
  bytes.set(text, 8);
  return bytes;
}

const entry = (shape: unknown, offsets: unknown, dtype: unknown = "F32") => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe("writing and reading safetensors", () => {
  for (const dtype of dtypes) {
    test(`${dtype} keeps every bit`, () => {
      const tensors = new Map([["x", patterned(dtype, [2, 3], [0, 1, 127, 128, 200, 255, 64])]]);
      assertSameTensors(readSafetensors(writeSafetensors(tensors), "memory"), tensors);
    });
  }

  test("any tensors and metadata come back", () => {
    assertProperty(
      fc.property(anyTensors, fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
        const file = readSafetensorsWithMetadata(writeSafetensors(tensors, metadata), "memory");
        assertSameTensors(file.tensors, tensors);
        assert.deepEqual({ ...file.metadata }, { ...metadata });
      }),
    );
  });

  test("equal tensors give equal bytes in whatever order they come", async () => {
    const entries = [
      ["b", floats([1, 2])],
      ["10", patterned("int8", [3], [5])],
      ["a", patterned("int64", [2], [9])],
    ] as const;
    const bytes = writeSafetensors(new Map(entries), { z: "1", a: "2" });
    assert.deepEqual(writeSafetensors(new Map(entries.toReversed()), { a: "2", z: "1" }), bytes);
    assert.deepEqual(await writeSafetensorsAsync(new Map(entries), { a: "2", z: "1" }), bytes);
  });

  test("every tensor is aligned to its elements", () => {
    const tensors = new Map(dtypes.map((dtype) => [dtype, patterned(dtype, [3], [1])]));
    for (const [name, { start, byteLength }] of readSafetensorsHeader(writeSafetensors(tensors), "memory")
      .tensors) {
      assert.equal(start % (byteLength / 3), 0, name);
    }
  });

  test("what was read does not change with the bytes it was read from", () => {
    const bytes = writeSafetensors(new Map([["x", floats([1, 2])]]));
    const x = readSafetensors(bytes, "memory").get("x");
    bytes.fill(0);
    assert.deepEqual(x?.toArray(), [1, 2]);
  });

  test("a file at an odd offset of its buffer is read", () => {
    const bytes = writeSafetensors(new Map([["x", floats([1, 2])]]));
    const shifted = new Uint8Array(bytes.byteLength + 3);
    shifted.set(bytes, 3);
    assert.deepEqual(readSafetensors(shifted.subarray(3), "memory").get("x")?.toArray(), [1, 2]);
  });

  test("the name that the format reserves is refused", () => {
    assert.throws(() => writeSafetensors(new Map([["__metadata__", floats([1])]])), ValueError);
  });

  test("a file that the Python library wrote is read", () => {
    const file = join(import.meta.dirname, "peers", "safetensors-0.8.0.safetensors");
    const { tensors, metadata } = readSafetensorsWithMetadata(readFileSync(file), file);
    assert.deepEqual({ ...metadata }, { framework: "numpy" });
    assert.deepEqual(Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.toArray()])), {
      f32: [
        [1.5, -2.25],
        [Number.POSITIVE_INFINITY, 0],
      ],
      f64: [1e300],
      f16: [1, -0.5, 65504],
      i8: [-128, 127],
      u8: [0, 255, 7],
      i32: -5,
      i64: [2n ** 62n, -1n],
      bool: [true, false, true],
      empty: [],
    });
  });
});

describe("a damaged or hostile safetensors file is a FormatError", () => {
  const hostile: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["no bytes", new Uint8Array(0), /at least 8 bytes; received 0/],
    ["a header longer than the file", fileOf("{}", 0, 3n), /at most 2 bytes.*received the length 3/],
    [
      "a header of 2⁶⁴ − 1 bytes",
      fileOf("{}", 0, 2n ** 64n - 1n),
      /received the length 18446744073709551615/,
    ],
    ["a header of 0 bytes", fileOf(""), /expected JSON/],
    ["a header that is no JSON", fileOf("{"), /expected JSON/],
    ["a header that is not UTF-8", fileOf("{}").with(8, 0xff), /not UTF-8/],
    ["a header with a byte order mark", fileOf("\ufeff{}"), /expected JSON/],
    ["an array as header", fileOf("[]"), /expected an object/],
    ["null as header", fileOf("null"), /expected an object/],
    ["JSON of a million levels", fileOf("[".repeat(1_000_000)), /at most 64 levels/],
    ["a million levels of objects", fileOf('{"a":'.repeat(1_000_000)), /at most 64 levels/],
    ["a name given twice", fileOf(`{"a":${JSON.stringify(entry([0], [0, 0]))},"\\u0061":1}`), /"a" twice/],
    ["an unknown dtype", fileOf({ x: entry([1], [0, 2], "U16") }, 2), /expected one of F32.*received "U16"/],
    ["a dtype that is no text", fileOf({ x: entry([1], [0, 4], 32) }, 4), /dtype: expected a string/],
    ["a negative size", fileOf({ x: entry([-1], [0, 4]) }, 4), /shape\[0\]: expected a whole number/],
    ["a fractional size", fileOf({ x: entry([0.5], [0, 2]) }, 2), /shape\[0\]: expected a whole number/],
    [
      "sizes whose product overflows",
      fileOf({ x: entry(Array(30).fill(2 ** 52), [0, 4]) }, 4),
      /data_offsets: expected/,
    ],
    [
      "a huge size beside a zero",
      fileOf({ x: entry([0, ...Array(30).fill(2 ** 52)], [0, 4]) }, 4),
      /data_offsets/,
    ],
    ["too many axes", fileOf({ x: entry(Array(33).fill(1), [0, 4]) }, 4), /at most 32 axes/],
    ["an element too few", fileOf({ x: entry([2], [0, 4]) }, 4), /expected 8 bytes/],
    ["one offset", fileOf({ x: entry([1], [0]) }, 4), /a first and a last byte/],
    ["three offsets", fileOf({ x: entry([1], [0, 4, 8]) }, 4), /a first and a last byte/],
    ["a negative offset", fileOf({ x: entry([1], [-4, 0]) }, 4), /data_offsets\[0\]/],
    ["offsets the wrong way round", fileOf({ x: entry([1], [4, 0]) }, 4), /data_offsets\[1\]/],
    ["offsets past the end", fileOf({ x: entry([1], [0, 4]) }, 3), /expected a file of/],
    ["offsets far past the end", fileOf({ x: entry([2 ** 50], [0, 2 ** 52]) }), /expected a file of/],
    ["bytes after the last tensor", fileOf({ x: entry([1], [0, 4]) }, 5), /expected a file of/],
    ["a gap", fileOf({ x: entry([1], [0, 4]), y: entry([1], [8, 12]) }, 12), /without gap or overlap/],
    ["an overlap", fileOf({ x: entry([2], [0, 8]), y: entry([2], [4, 12]) }, 12), /without gap or overlap/],
    [
      "the same bytes twice",
      fileOf({ x: entry([1], [0, 4]), y: entry([1], [0, 4]) }, 4),
      /without gap or overlap/,
    ],
    ["a bool of 2", fileOf({ x: entry([1], [0, 1], "BOOL") }, 1).with(-1, 2), /bools of 0 and 1/],
    ["metadata that is no text", fileOf({ __metadata__: { a: 1 } }), /expected a string/],
    ["metadata that is no object", fileOf({ __metadata__: [] }), /expected an object/],
    ["a tensor that is no object", fileOf({ x: 3 }), /expected an object/],
  ];
  for (const [name, bytes, message] of hostile) {
    test(name, () => {
      assert.throws(
        () => readSafetensors(bytes, "weights.bin"),
        (error) =>
          error instanceof FormatError && message.test(error.message) && /weights\.bin/.test(error.message),
      );
    });
  }

  const sample = writeSafetensors(
    new Map([
      ["kernel", floats([1, 2, 3, 4], [2, 2])],
      ["mask", patterned("bool", [3], [0, 1])],
    ]),
    { note: "x" },
  );

  test("truncated at any length", () => {
    for (let length = 0; length < sample.byteLength; length++) {
      assert.throws(() => readSafetensors(sample.subarray(0, length), "cut"), FormatError, `${length} bytes`);
    }
  });

  test("with any bit flipped it is read or refused, and only values can differ unnoticed", () => {
    const expected = readSafetensors(sample, "whole");
    const { tensors } = readSafetensorsHeader(sample, "whole");
    const dataStart = Math.min(...[...tensors.values()].map(({ start }) => start));
    for (let bit = 0; bit < 8 * sample.byteLength; bit++) {
      const flipped = sample.slice();
      const at = bit >> 3;
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
      try {
        const read = readSafetensors(flipped, "flipped");
        if (at >= dataStart) assert.deepEqual([...read.keys()], [...expected.keys()]);
        for (const tensor of read.values()) assert.ok(bytesOf(tensor).byteLength <= sample.byteLength);
      } catch (error) {
        assert.ok(error instanceof FormatError, `bit ${bit}: ${String(error)}`);
      }
    }
  });

  test("any bytes, and any JSON as header", () => {
    const anyFile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.json(), fc.nat(20)).map(([header, size]) => fileOf(header, size)),
      fc
        .dictionary(
          fc.string({ maxLength: 3 }),
          fc.record({
            dtype: fc.constantFrom("F32", "I8", "X"),
            shape: fc.array(fc.integer()),
            data_offsets: fc.array(fc.nat(30)),
          }),
        )
        .map((header) => fileOf(header, 16)),
    );
    assertProperty(
      fc.property(anyFile, (bytes) => {
        try {
          readSafetensors(bytes, "any");
        } catch (error) {
          assert.ok(error instanceof FormatError, String(error));
        }
      }),
      500,
    );
  });
});
