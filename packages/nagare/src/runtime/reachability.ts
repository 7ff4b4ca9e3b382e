/** What a backend can tell of arrays that nobody refers to any more. */
import type { TypedArray } from "../core/index.ts";

/**
 * Notices when arrays cannot be reached any more, at once and inside a synchronous loop: what FinalizationRegistry and WeakRef
 * tell only when the event loop turns.
 */
export interface Reachability {
  /** From now on `collected` tells `number` once nothing refers to the array any more and the collector has noticed. */
  watch(array: TypedArray, number: number): void;
  /**
   * Writes the numbers of watched arrays that were collected into `numbers`, and returns how many; each is told once, those for
   * which there is no room the next time. With `all` false, right after `collectYoung`, it looks only at arrays that have outlived
   * few such collections: others, only a full one can free.
   */
  collected(all: boolean, numbers: Int32Array): number;
  /** Collects what was made lately and nothing refers to any more, in about a tenth of a millisecond. */
  collectYoung(): void;
  /** How many bytes the array's first byte lies past a multiple of `alignment`; asks the system for large pages for all of it. */
  place(array: Uint8Array, alignment: number): number;
}
