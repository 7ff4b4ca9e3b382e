/** Seeded orders of examples: a function of the seed and the epoch alone. */
import { ValueError } from "../core/index.ts";
import { randomBits } from "../ops/index.ts";

const wordLimit = 2 ** 32;

/** Throws ValueError unless `seed` is one word of a random key. */
export function checkSeed(seed: unknown, where: string): number {
  if (typeof seed === "number" && Number.isInteger(seed) && seed >= 0 && seed < wordLimit) return seed;
  throw new ValueError(`${where}: expected a seed from 0 to 2³² − 1; received ${String(seed)}.`);
}

/** The first `count` random words of an epoch: fewer are a prefix of more. */
function randomWords(seed: number, epoch: number, count: number): Int32Array {
  const key = { shape: [2], dtype: "int32", data: Int32Array.of(seed | 0, epoch | 0) } as const;
  const shape = [count];
  const [words] = randomBits.reference([key], { shape }, [{ shape, dtype: "int32" }]);
  return words as Int32Array;
}

/** A whole number below `limit` from one random word; uneven by less than limit/2³². */
function below(limit: number, word: number): number {
  return Math.floor(((word >>> 0) / wordLimit) * limit);
}

/**
 * A permutation of 0 … count − 1 (Fisher and Yates; Knuth, The Art of Computer Programming 2, §3.4.2, algorithm P).
 */
export function permutation(seed: number, epoch: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const words = randomWords(seed, epoch, count);
  for (let i = count - 1; i > 0; i--) {
    const j = below(i + 1, words[i] ?? 0);
    const swapped = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = swapped;
  }
  return order;
}

/** Draws whole numbers one by one, as many as are asked for. */
export class Draws {
  readonly #seed: number;
  readonly #epoch: number;
  #words: Int32Array;
  #used = 0;

  constructor(seed: number, epoch: number) {
    this.#seed = seed;
    this.#epoch = epoch;
    this.#words = randomWords(seed, epoch, 1024);
  }

  /** A whole number from 0 up to, but not including, `limit`. */
  below(limit: number): number {
    // Twice as many words from the start cost as much again as all words so far.
    if (this.#used === this.#words.length) {
      this.#words = randomWords(this.#seed, this.#epoch, 2 * this.#words.length);
    }
    return below(limit, this.#words[this.#used++] ?? 0);
  }
}
