/** Memory of the CPU backends: fresh storage that costs little, and how much of it is alive. */
import {
  bytesPerElement,
  CpuStorage,
  type DType,
  type Pending,
  setAllocator,
  type TypedArray,
  type TypedArrayOf,
  viewBuffer,
} from "../core/index.ts";
import { currentReachability, workingBytes } from "./devices.ts";
import { StoragePool, uninitializedBuffer } from "./pool.ts";

/**
 * Small tensors share blocks: a block is one allocation and one entry in the books. What outlives two collections only a full one
 * frees, so blocks are smaller, down to the least size, where they take longer than that to be filled.
 */
const mostBlockBytes = 1 << 16;
const leastBlockBytes = 1 << 12;
/** Up to this size a tensor lives in a shared block. */
const smallBytes = 1 << 11;
/** Every element type may start at a multiple of this. */
const alignment = 16;

let block = new ArrayBuffer(0);
let blockUsed = 0;
let blockBytes = mostBlockBytes;
/** The number of collections before the block was made. */
let collectionsBefore = 0;

/** What the process's array buffers hold, where the engine knows, as Node does at once. */
const memoryUsage = (globalThis as { process?: { memoryUsage?: () => { readonly arrayBuffers: number } } })
  .process?.memoryUsage;

// Elsewhere finalizers keep the books. Each leaves a cell behind until the event loop turns, which it never does inside a
// synchronous loop: a million results would leave 60 MB of cells.
let registeredBytes = 0;
const registry = memoryUsage
  ? undefined
  : new FinalizationRegistry<number>((bytes) => {
      registeredBytes -= bytes;
    });

/** Asking the engine takes as long as filling some dozen KiB: it is done once for so many new bytes outside the pool. */
const bytesBetweenLooks = 1 << 24;
let bytesSinceLook = 0;
/** Bytes of arrays outside the pool, when they were looked at last. */
let otherBytes = 0;
let peakBytes = 0;

/** Where larger results live, once a backend is in use that can tell when nobody holds them any more. */
let pool: StoragePool | undefined;

function currentPool(): StoragePool | undefined {
  if (!pool) {
    const reachability = currentReachability();
    if (reachability) pool = new StoragePool(reachability);
  }
  return pool;
}

/** The bytes in use now; remembers the most there have been. */
function look(): { readonly liveBytes: number; readonly arenaBytes: number } {
  bytesSinceLook = 0;
  pool?.look();
  otherBytes = (memoryUsage?.().arrayBuffers ?? registeredBytes) - (pool?.totalBytes ?? 0);
  const arenaBytes = workingBytes();
  peakBytes = Math.max(peakBytes, otherBytes + (pool?.peakBytes ?? 0) + arenaBytes);
  return { liveBytes: otherBytes + (pool?.usedBytes ?? 0), arenaBytes };
}

/** A new block for small tensors. */
function startBlock(): void {
  const collections = pool?.collections ?? 0;
  const lived = collections - collectionsBefore;
  if (lived > 1) blockBytes = Math.max(blockBytes / 2, leastBlockBytes);
  else if (lived === 0) blockBytes = Math.min(blockBytes * 2, mostBlockBytes);
  collectionsBefore = collections;
  block = enter(new ArrayBuffer(blockBytes));
  blockUsed = 0;
}

function enter(buffer: ArrayBuffer): ArrayBuffer {
  if (registry) {
    registeredBytes += buffer.byteLength;
    registry.register(buffer, buffer.byteLength);
  }
  bytesSinceLook += buffer.byteLength;
  if (bytesSinceLook >= bytesBetweenLooks) look();
  return buffer;
}

/** A fresh array of `size` elements whose contents are not defined: what kernels write their results into. */
export function allocateUninitialized<D extends DType>(dtype: D, size: number): TypedArrayOf[D] {
  const bytes = size * bytesPerElement(dtype);
  if (bytes <= smallBytes) {
    if (blockUsed + bytes > block.byteLength) startBlock();
    const array = viewBuffer(dtype, block, blockUsed, size);
    blockUsed += Math.ceil(bytes / alignment) * alignment;
    return array;
  }
  return (
    currentPool()?.allocate(dtype, size) ?? viewBuffer(dtype, enter(uninitializedBuffer(bytes)), 0, size)
  );
}

setAllocator(allocateUninitialized);

/** Fresh storage of `size` elements, whose contents are not defined. */
export function allocateStorage(dtype: DType, size: number, pending?: Pending): CpuStorage {
  return new CpuStorage(allocateUninitialized(dtype, size), pending);
}

/** Storage around an array the caller gives away; it is entered in the books. */
export function adoptStorage(array: TypedArray): CpuStorage {
  if (array.buffer instanceof ArrayBuffer && array.byteLength === array.buffer.byteLength)
    enter(array.buffer);
  return new CpuStorage(array);
}

/** Bytes of memory in use by tensors and compiled programs. */
export interface MemoryInfo {
  /**
   * Bytes of tensor storage that is still reachable or not yet collected. In Node: of all array buffers of the process,
   * which are tensors for the most part.
   */
  readonly liveBytes: number;
  /**
   * Bytes that backends hold for the intermediate values of compiled programs and their kernels' workspace. All programs
   * share them: as much as the most demanding run so far needed.
   */
  readonly arenaBytes: number;
  /**
   * The largest sum of both that was met since the start, or since `resetPeakMemory`. It is looked at every 16 MiB of new
   * storage and whenever `memory` is called.
   */
  readonly peakBytes: number;
}

/** How much memory tensors and programs hold now. */
export function memory(): MemoryInfo {
  return { ...look(), peakBytes };
}

/**
 * Forgets the peak: `memory().peakBytes` starts again from what is in use now.
 * @example
 * ng.resetPeakMemory();
 * step(x, y); ng.memory().peakBytes; // what this step needed
 */
export function resetPeakMemory(): void {
  const { liveBytes, arenaBytes } = look();
  pool?.resetPeak();
  peakBytes = liveBytes + arenaBytes;
}
