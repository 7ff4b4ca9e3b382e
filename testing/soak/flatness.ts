/** Whether memory stays flat over a loop. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const windows = 10;
const samplesPerWindow = 50;

/** What was measured in each tenth of a loop, in bytes. */
export interface Course {
  /** What is still held once the collector has run, at the end of each tenth: the heap and all array buffers. */
  readonly heldBytes: readonly number[];
  /** The most memory the process had, garbage included. */
  readonly residentBytes: readonly number[];
}

/** Takes samples while a loop of known length runs, without leaving it. */
export class Recorder {
  readonly #count: number;
  readonly #every: number;
  readonly #held: number[] = [];
  readonly #resident = new Array<number>(windows).fill(0);

  constructor(count: number) {
    this.#count = count;
    this.#every = Math.max(1, Math.floor(count / windows / samplesPerWindow));
  }

  sample(index: number): void {
    if (index % this.#every !== 0) return;
    const window = Math.min(windows - 1, Math.floor((index * windows) / this.#count));
    this.#resident[window] = Math.max(this.#resident[window] ?? 0, process.memoryUsage.rss());
    if (window > this.#held.length) this.#measureHeld();
  }

  /** The course of the loop, which has just ended. */
  course(): Course {
    this.#measureHeld();
    return { heldBytes: this.#held, residentBytes: this.#resident };
  }

  #measureHeld(): void {
    // Buffers that the first collection finds unused are freed in the background: the second waits for that.
    collectGarbage();
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.#held.push(heapUsed + arrayBuffers);
  }
}

/**
 * The highest of the last five tenths over the highest of the third to the fifth; until then code is being compiled and
 * heaps find their size. 1 is flat.
 */
export function growthOf(bytes: readonly number[]): number {
  return Math.max(...bytes.slice(5)) / Math.max(...bytes.slice(2, 5));
}
