/** Memory of the CPU backends: fresh storage that costs little, and how much of it is alive. */
import {
  allocate,
  bytesPerElement,
  CpuStorage,
  type DType,
  type Pending,
  type TypedArray,
  viewBuffer,
} from "../core/index.ts";
import { collectGarbage, workingBytes } from "./devices.ts";

/** Small tensors share blocks of this size: a block is one allocation and one entry in the books. */
const blockBytes = 1 << 16;
/** Up to this size a tensor lives in a shared block. */
const smallBytes = 1 << 11;
/** Every element type may start at a multiple of this. */
const alignment = 16;

let block = new ArrayBuffer(0);
let blockUsed = 0;

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

/** Asking the engine takes as long as filling some dozen KiB: it is done once for so many new bytes. */
const bytesBetweenLooks = 1 << 24;
let bytesSinceLook = 0;
let peakBytes = 0;

/** The bytes in use now; remembers the most there have been. */
function look(): { readonly liveBytes: number; readonly arenaBytes: number } {
  const liveBytes = memoryUsage?.().arrayBuffers ?? registeredBytes;
  const arenaBytes = workingBytes();
  bytesSinceLook = 0;
  peakBytes = Math.max(peakBytes, liveBytes + arenaBytes);
  return { liveBytes, arenaBytes };
}

/**
 * The collector runs when handles have filled its nursery, thousands of operations later: by then results that nobody has any
 * more fill memory that no cache has and that the system has to provide anew. Called for each so many new bytes, it hands the
 * same memory out again and again. Where results stay alive it is left alone until there are as many again.
 */
const bytesBetweenCollections = 1 << 24;
/** A few larger results make V8 look through its whole heap, whatever it is asked for: asking gains nothing. */
const largestCollected = 1 << 22;
let bytesSinceCollection = 0;
let bytesUntilCollection = bytesBetweenCollections;
let liveAtCollection = 0;

function freeResults(liveBytes: number): void {
  const kept = liveBytes - liveAtCollection > bytesSinceCollection / 2;
  bytesUntilCollection = kept ? Math.max(2 * bytesUntilCollection, liveBytes) : bytesBetweenCollections;
  bytesSinceCollection = 0;
  liveAtCollection = liveBytes;
  collectGarbage();
}

function enter(buffer: ArrayBuffer): ArrayBuffer {
  if (registry) {
    registeredBytes += buffer.byteLength;
    registry.register(buffer, buffer.byteLength);
  }
  bytesSinceLook += buffer.byteLength;
  if (buffer.byteLength <= largestCollected) bytesSinceCollection += buffer.byteLength;
  if (bytesSinceLook >= bytesBetweenLooks) {
    const { liveBytes } = look();
    if (bytesSinceCollection >= bytesUntilCollection) freeResults(liveBytes);
  }
  return buffer;
}

interface NodeBuffer {
  allocUnsafeSlow(size: number): { readonly buffer: ArrayBuffer };
}
const nodeBuffer = (globalThis as { Buffer?: NodeBuffer }).Buffer;

/** A fresh array of `size` elements whose contents are not defined: what kernels write their results into. */
export function allocateUninitialized(dtype: DType, size: number): TypedArray {
  const bytes = size * bytesPerElement(dtype);
  if (bytes <= smallBytes) {
    if (blockUsed + bytes > block.byteLength) {
      block = enter(new ArrayBuffer(blockBytes));
      blockUsed = 0;
    }
    const array = viewBuffer(dtype, block, blockUsed, size);
    blockUsed += Math.ceil(bytes / alignment) * alignment;
    return array;
  }
  // Zeroing pages that a kernel overwrites at once is a third of the cost of a large result.
  const buffer = nodeBuffer ? nodeBuffer.allocUnsafeSlow(bytes).buffer : new ArrayBuffer(bytes);
  return viewBuffer(dtype, enter(buffer), 0, size);
}

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

/** A zeroed array entered in the books. */
export function allocateZeroed(dtype: DType, size: number): TypedArray {
  const array = allocate(dtype, size);
  if (array.byteLength > 0) enter(array.buffer as ArrayBuffer);
  return array;
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
  peakBytes = 0;
  look();
}
