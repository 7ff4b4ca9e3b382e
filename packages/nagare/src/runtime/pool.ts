/**
 * Memory of results, used again as soon as nobody holds them. Left to the collector alone, a loop that drops its results fills
 * memory that no cache has and that the system has to provide page by page, and makes the collector, which counts such bytes as its
 * own, go through its whole heap every few results. The pool's memory is a few buffers for it that stay.
 */
import { bytesPerElement, type DType, type TypedArrayOf, viewBuffer } from "../core/index.ts";
import type { Reachability } from "./reachability.ts";

/** Blocks begin at a line of the cache, and at a whole vector of every instruction set. */
const alignment = 64;
/**
 * A page of this size, where the system has such, is had in a tenth of the time that its small pages would take one by one. So
 * blocks lie side by side in slabs that begin and end with one. What no block has taken yet is address space, not memory.
 */
const largePage = 1 << 21;
/** Blocks of up to a quarter of this size share a slab. */
const slabBytes = 1 << 24;
/**
 * A collection takes as long as writing some hundred KiB, and is spread over results as long as they find memory that a cache has:
 * over the least bytes, which it keeps for one program among others; over as many results as make its share of each small, up to all
 * of a cache; over a few results, however large they are, up to the most bytes.
 */
const leastBytesBetweenCollections = 9 << 19;
const resultsBetweenCollections = 60;
const cachedBytesBetweenCollections = 3 << 22;
const leastResultsBetweenCollections = 3;
const mostBytesBetweenCollections = 1 << 28;
/** The collector is called before the pool grows by more than this part of what is in use. */
const growthBetweenCollections = 1 / 16;
/** Free memory beyond this, and beyond what is in use, goes back to the system. */
const freeBytesKept = 1 << 29;

/** A buffer of the pool. */
interface Slab {
  readonly buffer: ArrayBuffer;
  readonly blocks: Block[];
  /** Blocks in which an array lives. */
  used: number;
  /** Where the first block begins, where the next one does, and where none may end any more. */
  readonly begin: number;
  next: number;
  readonly end: number;
}

/** A piece of a slab: one array at a time lives in it. */
interface Block {
  readonly slab: Slab;
  readonly offset: number;
  readonly bytes: number;
  readonly number: number;
  /** Bytes of the array that lives in it; 0 while it is free. */
  used: number;
}

/** Sizes of blocks: four for each power of two, so that at most a fifth of a block is not used. */
function roundUp(bytes: number): number {
  const step = Math.max(alignment, 2 ** (Math.ceil(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}

/** Bytes after which the collector is called before the next result, if that one has so many. */
function bytesUntilDue(bytes: number): number {
  const cached = Math.min(resultsBetweenCollections * bytes, cachedBytesBetweenCollections);
  const due = Math.max(leastBytesBetweenCollections, cached, leastResultsBetweenCollections * bytes);
  return Math.min(due, mostBytesBetweenCollections);
}

interface NodeBuffer {
  allocUnsafeSlow(size: number): { readonly buffer: ArrayBuffer };
}
const nodeBuffer = (globalThis as { Buffer?: NodeBuffer }).Buffer;

/** A fresh buffer. Zeroing pages that a kernel overwrites at once would be a third of the cost of a large result. */
export function uninitializedBuffer(bytes: number): ArrayBuffer {
  return nodeBuffer ? nodeBuffer.allocUnsafeSlow(bytes).buffer : new ArrayBuffer(bytes);
}

/** The memory of results of one thread of JavaScript. */
export class StoragePool {
  readonly #reachability: Reachability;
  readonly #free = new Map<number, Block[]>();
  readonly #blocks: (Block | undefined)[] = [];
  /** Where numbers of blocks are told whose arrays were collected: room for all of them. */
  #collected = new Int32Array(64);
  /** Numbers of blocks that went back to the system. */
  readonly #numbers: number[] = [];
  readonly #slabs = new Set<Slab>();
  /** Where small blocks are made. */
  #shared: Slab | undefined;
  #totalBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;
  #freeBytes = 0;
  #bytesSinceCollection = 0;
  /** Bytes that were found alive by the last collection, where they were most of those that were new. */
  #keptBytes = 0;
  #bytesSinceFullLook = 0;
  #collections = 0;

  constructor(reachability: Reachability) {
    this.#reachability = reachability;
  }

  /** How often the pool has called the collector. */
  get collections(): number {
    return this.#collections;
  }

  /** Bytes of all buffers of the pool. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Bytes of arrays that are reachable or not yet found to be unreachable. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The most there were of `usedBytes` since the start or since `resetPeak`. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  resetPeak(): void {
    this.#peakBytes = this.#usedBytes;
  }

  /** An array of `size` elements whose contents are not defined. Its memory is another's once nothing refers to the array itself. */
  allocate<D extends DType>(dtype: D, size: number): TypedArrayOf[D] {
    const bytes = size * bytesPerElement(dtype);
    const rounded = roundUp(bytes);
    const due = bytesUntilDue(rounded);
    // Even while there is free memory: what was freed last is what a cache has.
    if (this.#bytesSinceCollection >= Math.max(due, this.#keptBytes)) this.#collect();
    const block = this.#known(rounded) ?? this.#find(rounded, due);
    const array = viewBuffer(dtype, block.slab.buffer, block.offset, size);
    this.#reachability.watch(array, block.number);
    block.used = bytes;
    block.slab.used++;
    this.#freeBytes -= block.bytes;
    this.#usedBytes += bytes;
    if (this.#usedBytes > this.#peakBytes) this.#peakBytes = this.#usedBytes;
    this.#bytesSinceCollection += bytes;
    this.#bytesSinceFullLook += bytes;
    return array;
  }

  /** Takes back the blocks of all arrays that the collector is known to have freed. */
  look(): void {
    this.#bytesSinceFullLook = 0;
    this.#takeBack(true);
  }

  #known(bytes: number): Block | undefined {
    return this.#free.get(bytes)?.pop();
  }

  /** A block of that size where none is known to be free: one that nobody holds any more, or a new one. */
  #find(bytes: number, due: number): Block {
    // V8 goes through its whole heap when it thinks fit, as when the pool has grown.
    if (this.#bytesSinceFullLook >= Math.max(due, this.#usedBytes / 4)) this.look();
    // Memory that the system has yet to provide costs more than a collection: what has been kept so far is no reason not to ask.
    else if (this.#bytesSinceCollection >= Math.max(due, this.#usedBytes * growthBetweenCollections))
      this.#collect();
    return this.#known(bytes) ?? this.#larger(bytes)?.pop() ?? this.#grow(bytes);
  }

  /** Free blocks of the next size at which there are any, up to twice that of the bytes asked for. */
  #larger(bytes: number): Block[] | undefined {
    let least = 2 * bytes + 1;
    for (const [size, list] of this.#free) if (size > bytes && size < least && list.length > 0) least = size;
    return this.#free.get(least);
  }

  #collect(): void {
    this.#reachability.collectYoung();
    this.#collections++;
    const freed = this.#takeBack(false);
    // Where results stay alive the collector is left alone until there are as many again, but no longer than it may be at most.
    this.#keptBytes =
      freed < this.#bytesSinceCollection / 2 ? Math.min(this.#usedBytes, mostBytesBetweenCollections) : 0;
    // A loop needs about what it has filled since the last collection again; more than that is of an earlier phase of the program.
    if (this.#freeBytes > Math.max(freeBytesKept, this.#usedBytes, 2 * this.#bytesSinceCollection))
      this.#release();
    this.#bytesSinceCollection = 0;
  }

  #takeBack(all: boolean): number {
    const before = this.#usedBytes;
    if (this.#collected.length < this.#blocks.length)
      this.#collected = new Int32Array(2 * this.#blocks.length);
    const count = this.#reachability.collected(all, this.#collected);
    for (let i = 0; i < count; i += 1) {
      const block = this.#blocks[this.#collected[i] ?? -1];
      if (!block) continue;
      this.#usedBytes -= block.used;
      block.used = 0;
      block.slab.used--;
      this.#freeBytes += block.bytes;
      this.#freeList(block.bytes).push(block);
    }
    return before - this.#usedBytes;
  }

  #freeList(bytes: number): Block[] {
    let list = this.#free.get(bytes);
    if (!list) {
      list = [];
      this.#free.set(bytes, list);
    }
    return list;
  }

  /** Makes a block of that size. */
  #grow(bytes: number): Block {
    if (this.#freeBytes > Math.max(freeBytesKept, this.#usedBytes)) this.#release();
    const slab = this.#room(bytes);
    const number = this.#numbers.pop() ?? this.#blocks.length;
    const block: Block = { slab, offset: slab.next, bytes, number, used: 0 };
    slab.next += bytes;
    slab.blocks.push(block);
    this.#blocks[number] = block;
    this.#freeBytes += bytes;
    return block;
  }

  /** A slab with room for that many bytes. */
  #room(bytes: number): Slab {
    if (bytes > slabBytes / 4) return this.#emptySlab(bytes) ?? this.#makeSlab(bytes);
    if (!this.#shared || this.#shared.next + bytes > this.#shared.end)
      this.#shared = this.#emptySlab(slabBytes) ?? this.#makeSlab(slabBytes);
    return this.#shared;
  }

  /** A slab in which nothing lives, to be cut anew: its memory is there already, where the system would have to provide other. */
  #emptySlab(bytes: number): Slab | undefined {
    for (const slab of this.#slabs) {
      const room = slab.end - slab.begin;
      if (slab.used > 0 || room < bytes || room > 2 * bytes) continue;
      if (slab === this.#shared) this.#shared = undefined;
      this.#dissolve(new Set([slab]));
      slab.next = slab.begin;
      return slab;
    }
    return undefined;
  }

  #makeSlab(bytes: number): Slab {
    const whole = Math.ceil(bytes / largePage) * largePage;
    const buffer = uninitializedBuffer(whole + largePage);
    const past = this.#reachability.place(new Uint8Array(buffer), largePage);
    const next = (largePage - past) % largePage;
    const slab: Slab = { buffer, blocks: [], used: 0, begin: next, next, end: next + whole };
    this.#slabs.add(slab);
    this.#totalBytes += buffer.byteLength;
    return slab;
  }

  /** Gives slabs in which nothing lives back to the system, those made first before others, until half of the free bytes are left. */
  #release(): void {
    const released = new Set<Slab>();
    const target = Math.max(freeBytesKept, this.#usedBytes) / 2;
    let free = this.#freeBytes;
    for (const slab of this.#slabs) {
      if (free <= target) break;
      if (slab.used > 0) continue;
      free -= slab.next - slab.begin;
      released.add(slab);
      this.#slabs.delete(slab);
      if (slab === this.#shared) this.#shared = undefined;
      this.#totalBytes -= slab.buffer.byteLength;
    }
    this.#dissolve(released);
  }

  /** Forgets the blocks of slabs in which nothing lives. */
  #dissolve(slabs: ReadonlySet<Slab>): void {
    for (const slab of slabs) {
      for (const { bytes, number } of slab.blocks) {
        this.#freeBytes -= bytes;
        this.#blocks[number] = undefined;
        this.#numbers.push(number);
      }
      slab.blocks.length = 0;
    }
    for (const [bytes, list] of this.#free) {
      const left = list.filter(({ slab }) => !slabs.has(slab));
      if (left.length > 0) this.#free.set(bytes, left);
      else this.#free.delete(bytes);
    }
  }
}
