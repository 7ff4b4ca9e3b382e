/** The memory of results: what lives in it stays whole, what is dropped makes room. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Reachability, StoragePool, type TypedArray } from "nagare/backend";

/** Stands for the collector: arrays are unreachable when the test says so, and found so when it is asked to collect. */
class Told implements Reachability {
  readonly held = new Map<number, TypedArray>();
  readonly #dropped: number[] = [];
  readonly #found: number[] = [];
  collections = 0;

  watch(array: TypedArray, number: number): void {
    assert.ok(!this.held.has(number), `number ${number} is given to two arrays at once`);
    this.held.set(number, array);
  }

  drop(number: number): void {
    this.held.delete(number);
    this.#dropped.push(number);
  }

  collectYoung(): void {
    this.collections++;
    this.#found.push(...this.#dropped.splice(0));
  }

  collected(_all: boolean, numbers: Int32Array): number {
    const told = this.#found.splice(0, numbers.length);
    numbers.set(told);
    return told.length;
  }

  place(): number {
    return 16;
  }
}

const mebibyte = 1 << 20;

describe("the pool of results", () => {
  test("arrays that are held never share memory, whatever was dropped in between", () => {
    const step = fc.record({
      dtype: fc.constantFrom("float32", "uint8", "float64", "int64"),
      size: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 400_000 })),
      drop: fc.nat(),
      collect: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const told = new Told();
        const pool = new StoragePool(told);
        for (const { dtype, size, drop, collect } of steps) {
          const array = pool.allocate(dtype, size);
          assert.equal(array.length, size);
          const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
          // The pool was told that its buffers begin 16 bytes past a line.
          assert.equal((array.byteOffset + 16) % 64, 0);
          bytes.fill([...told.held.keys()].at(-1) ?? 0);
          const held = [...told.held.keys()];
          if (drop % 3 > 0) told.drop(held[drop % held.length] ?? 0);
          if (collect) {
            told.collectYoung();
            pool.look();
          }
        }
        let bytes = 0;
        for (const [number, array] of told.held) {
          const elements = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
          assert.ok(
            elements.every((element) => element === number % 256),
            `array ${number} was written over`,
          );
          bytes += array.byteLength;
        }
        told.collectYoung();
        pool.look();
        assert.equal(pool.usedBytes, bytes);
        assert.ok(pool.peakBytes >= bytes && pool.totalBytes >= bytes);
      }),
      { numRuns: 100 },
    );
  });

  test("results dropped at once live in what one collection's worth of them needs", () => {
    const told = new Told();
    const pool = new StoragePool(told);
    for (const size of [1000, 100_000, 4 * mebibyte]) {
      const before = pool.totalBytes;
      for (let bytes = 0; bytes < 512 * mebibyte; bytes += 4 * size) {
        pool.allocate("float32", size);
        told.drop([...told.held.keys()].at(-1) ?? 0);
      }
      const grown = pool.totalBytes - before;
      assert.ok(grown <= 96 * mebibyte, `${grown / mebibyte} MiB for results of ${4 * size} bytes`);
    }
  });

  describe("results dropped at once take turns in places that a cache has, many of them to a collection", () => {
    // The fewest results that a collection is spread over, and the most bytes of their places.
    const cases = [
      { kibibytes: 10, results: 400, mebibytes: 5 },
      { kibibytes: 40, results: 100, mebibytes: 5 },
      { kibibytes: 192, results: 60, mebibytes: 12.5 },
      { kibibytes: 512, results: 20, mebibytes: 13 },
      { kibibytes: 4096, results: 3, mebibytes: 16 },
    ];
    for (const { kibibytes, results, mebibytes } of cases)
      test(`${kibibytes} KiB`, () => {
        const told = new Told();
        const pool = new StoragePool(told);
        const places = new Set<string>();
        const slabs: ArrayBufferLike[] = [];
        const count = 20 * results;
        for (let i = 0; i < count; i++) {
          const { buffer, byteOffset } = pool.allocate("uint8", kibibytes * 1024);
          if (!slabs.includes(buffer)) slabs.push(buffer);
          places.add(`${slabs.indexOf(buffer)} ${byteOffset}`);
          told.drop([...told.held.keys()].at(-1) ?? 0);
        }
        assert.ok(told.collections <= count / results, `${told.collections} collections of ${count} results`);
        const bytes = places.size * kibibytes * 1024;
        assert.ok(bytes <= mebibytes * mebibyte, `${places.size} places, ${bytes / mebibyte} MiB`);
      });
  });

  test("small results lie side by side, from the beginning of a large page on", () => {
    const pool = new StoragePool(new Told());
    const first = pool.allocate("float32", 1024);
    assert.equal((first.byteOffset + 16) % (2 * mebibyte), 0);
    const second = pool.allocate("int8", 3000);
    assert.equal(second.buffer, first.buffer);
    assert.equal(second.byteOffset, first.byteOffset + 4096);
    const large = pool.allocate("float32", 2 * mebibyte);
    assert.notEqual(large.buffer, first.buffer);
    assert.equal((large.byteOffset + 16) % (2 * mebibyte), 0);
  });

  test("what is free serves smaller results too, down to half its size", () => {
    const told = new Told();
    const pool = new StoragePool(told);
    for (let i = 0; i < 8; i++) pool.allocate("float32", mebibyte);
    for (const number of [...told.held.keys()]) told.drop(number);
    told.collectYoung();
    pool.look();
    const before = pool.totalBytes;
    for (let i = 0; i < 8; i++) pool.allocate("int8", 2 * mebibyte + 1);
    assert.equal(pool.totalBytes, before);
    pool.allocate("int8", mebibyte);
    assert.ok(pool.totalBytes > before);
  });

  test("memory in which nothing lives any more is cut anew for results of another size", () => {
    const told = new Told();
    const pool = new StoragePool(told);
    const drop = () => {
      for (const number of [...told.held.keys()]) told.drop(number);
      told.collectYoung();
      pool.look();
    };
    for (let i = 0; i < 32; i++) pool.allocate("float32", mebibyte / 4);
    pool.allocate("float32", 4 * mebibyte);
    drop();
    const before = pool.totalBytes;
    for (const size of [100_000, 30_000, 1000, mebibyte]) {
      for (let bytes = 0; bytes < 24 * mebibyte; bytes += 4 * size) pool.allocate("float32", size);
      pool.allocate("float32", 3 * mebibyte);
      drop();
    }
    // What is left of the slab that is being cut is not enough for all of them.
    const grown = (pool.totalBytes - before) / mebibyte;
    assert.ok(grown <= 18, `${grown} MiB for four sizes`);
    assert.equal(pool.usedBytes, 0);
  });

  test("the collector is called more and more rarely while results stay alive", () => {
    const told = new Told();
    const pool = new StoragePool(told);
    const counts = [256, 256, 512, 1024].map((results) => {
      const before = told.collections;
      for (let i = 0; i < results; i++) pool.allocate("float32", mebibyte / 4);
      return told.collections - before;
    });
    // Of the first 256 MiB each 12 could be garbage.
    assert.ok(
      counts.every((count, phase) => count <= (phase === 0 ? 22 : 17)),
      `${counts.join(", ")} collections`,
    );
    assert.equal(pool.usedBytes, 2048 * mebibyte);
  });

  test("results dropped at once need little room beside much that stays alive", () => {
    const told = new Told();
    const pool = new StoragePool(told);
    for (let i = 0; i < 256; i++) pool.allocate("float32", mebibyte / 4);
    const before = pool.totalBytes;
    for (let i = 0; i < 256; i++) {
      pool.allocate("float32", mebibyte);
      told.drop([...told.held.keys()].at(-1) ?? 0);
    }
    const grown = (pool.totalBytes - before) / mebibyte;
    assert.ok(grown <= 40, `${grown} MiB`);
  });

  /** A pool that once held a GiB and holds nothing any more. */
  function emptied(): { readonly told: Told; readonly pool: StoragePool } {
    const told = new Told();
    const pool = new StoragePool(told);
    for (let i = 0; i < 128; i++) pool.allocate("float32", 2 * mebibyte);
    for (const number of [...told.held.keys()]) told.drop(number);
    told.collectYoung();
    pool.look();
    assert.equal(pool.usedBytes, 0);
    assert.ok(pool.totalBytes >= 1024 * mebibyte);
    return { told, pool };
  }

  test("free memory of sizes that are asked for no longer goes back to the system when the pool grows", () => {
    const { pool } = emptied();
    pool.allocate("float32", 3 * mebibyte);
    assert.ok(pool.totalBytes <= 384 * mebibyte, `${pool.totalBytes / mebibyte} MiB are kept`);
  });

  test("and when a loop goes on with less", () => {
    const { told, pool } = emptied();
    for (let i = 0; i < 200; i++) {
      pool.allocate("float32", 2 * mebibyte);
      told.drop([...told.held.keys()].at(-1) ?? 0);
    }
    assert.ok(pool.totalBytes <= 384 * mebibyte, `${pool.totalBytes / mebibyte} MiB are kept`);
  });
});
