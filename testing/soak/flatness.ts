/** Whether memory stays flat over a loop: its peaks in each tenth, since collectors make it rise and fall in between. */
import { memory } from "nagare";

const windows = 10;
const samplesPerWindow = 50;

/** The highest values in each tenth of a loop, in bytes. */
export interface Peaks {
  readonly liveBytes: readonly number[];
  readonly residentBytes: readonly number[];
}

/** Takes samples while a loop of known length runs. */
export class Recorder {
  readonly #count: number;
  readonly #every: number;
  readonly #live = new Array<number>(windows).fill(0);
  readonly #resident = new Array<number>(windows).fill(0);

  constructor(count: number) {
    this.#count = count;
    this.#every = Math.max(1, Math.floor(count / windows / samplesPerWindow));
  }

  sample(index: number): void {
    if (index % this.#every !== 0) return;
    const window = Math.min(windows - 1, Math.floor((index * windows) / this.#count));
    this.#live[window] = Math.max(this.#live[window] ?? 0, memory().liveBytes);
    this.#resident[window] = Math.max(this.#resident[window] ?? 0, process.memoryUsage.rss());
  }

  peaks(): Peaks {
    return { liveBytes: this.#live, residentBytes: this.#resident };
  }
}

/** The highest of the last five tenths over the highest of the second to the fifth; the first is warm-up. */
function growthOf(peaks: readonly number[]): number {
  return Math.max(...peaks.slice(5)) / Math.max(...peaks.slice(1, 5));
}

/** Flat means that the second half of the loop, after warm-up, peaks at most 5 % above the first. */
export function flatness({ liveBytes, residentBytes }: Peaks) {
  const growth = { liveBytes: growthOf(liveBytes), residentBytes: growthOf(residentBytes) };
  return { growth, isFlat: growth.liveBytes <= 1.05 && growth.residentBytes <= 1.05 };
}
