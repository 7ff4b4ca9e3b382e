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

/** Small tensors share blocks of this size: a block is one allocation and one entry in the books. */
const blockBytes = 1 << 16;
/** Up to this size a tensor lives in a shared block. */
const smallBytes = 1 << 11;
/** Every element type may start at a multiple of this. */
const alignment = 16;

let block = new ArrayBuffer(0);
let blockUsed = 0;
let aliveBytes = 0;
let peakBytes = 0;

// A buffer's bytes leave the books when the collector has taken it. Its callbacks do not run inside a synchronous
// loop, so that `liveBytes` also asks the engine, which knows at once.
const registry = new FinalizationRegistry<number>((bytes) => {
  aliveBytes -= bytes;
});

function enter(buffer: ArrayBuffer): ArrayBuffer {
  aliveBytes += buffer.byteLength;
  if (aliveBytes > peakBytes) peakBytes = aliveBytes;
  registry.register(buffer, buffer.byteLength);
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
  /** Bytes of tensor storage that is still reachable (or not yet found to be garbage). */
  readonly liveBytes: number;
  /** The largest value `liveBytes` has had. */
  readonly peakBytes: number;
  /** Bytes of the arenas in which compiled programs keep intermediate values. */
  readonly arenaBytes: number;
}

let arenaBytes = 0;

/** Counts the arena of a compiled program in (or, negative, out). */
export function countArena(bytes: number): void {
  arenaBytes += bytes;
}

/** How much memory tensors hold now. */
export function memory(): MemoryInfo {
  const engine = globalThis as { process?: { memoryUsage?: () => { arrayBuffers: number } } };
  const held = engine.process?.memoryUsage?.().arrayBuffers ?? Number.POSITIVE_INFINITY;
  return { liveBytes: Math.max(0, Math.min(aliveBytes, held)), peakBytes, arenaBytes };
}
