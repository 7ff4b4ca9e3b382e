/** What a dataset draws from, and the stages that hand elements on one by one. */
import type { Batched } from "./collate.ts";
import { collate } from "./collate.ts";
import { Draws } from "./permutation.ts";

/** A sequence that can be gone through many times, each time from any place. */
export interface Source<T> {
  /** The number of elements, where it is known. */
  readonly size: number | undefined;
  /** The elements of one epoch from element `skip` on. Nothing depends on anything but these two numbers. */
  open(epoch: number, skip: number): AsyncIterable<T>;
}

/** Elements of an iteration made anew for each epoch. */
export class IterableSource<T> implements Source<T> {
  readonly size: number | undefined;
  readonly #make: (epoch: number) => Iterable<T> | AsyncIterable<T>;

  constructor(make: (epoch: number) => Iterable<T> | AsyncIterable<T>, size: number | undefined) {
    this.#make = make;
    this.size = size;
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    let index = 0;
    for await (const element of this.#make(epoch)) if (index++ >= skip) yield element;
  }
}

/** `f` of every element. */
export class MapSource<T, U> implements Source<U> {
  readonly #source: Source<T>;
  readonly #f: (element: T) => U | Promise<U>;

  constructor(source: Source<T>, f: (element: T) => U | Promise<U>) {
    this.#source = source;
    this.#f = f;
  }

  get size(): number | undefined {
    return this.#source.size;
  }

  async *open(epoch: number, skip: number): AsyncIterable<U> {
    for await (const element of this.#source.open(epoch, skip)) yield await this.#f(element);
  }
}

/** Elements `first` up to, but not including, `limit`. */
export class RangeSource<T> implements Source<T> {
  readonly size: number | undefined;
  readonly #source: Source<T>;
  readonly #first: number;
  readonly #limit: number;

  constructor(source: Source<T>, first: number, limit: number) {
    this.#source = source;
    this.#first = first;
    this.#limit = limit;
    this.size = source.size === undefined ? undefined : Math.max(0, Math.min(source.size, limit) - first);
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    let left = this.#limit - this.#first - skip;
    if (left <= 0) return;
    for await (const element of this.#source.open(epoch, this.#first + skip)) {
      yield element;
      // Asking for one element more than is wanted could wait for ever.
      if (--left === 0) return;
    }
  }
}

/** The epochs of a source one after the other as one. */
export class RepeatSource<T> implements Source<T> {
  readonly size: number | undefined;
  readonly #source: Source<T>;
  readonly #count: number;

  constructor(source: Source<T>, count: number) {
    this.#source = source;
    this.#count = count;
    this.size =
      source.size === undefined || count === Number.POSITIVE_INFINITY ? undefined : source.size * count;
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    const { size } = this.#source;
    const first = this.#count === Number.POSITIVE_INFINITY ? epoch : epoch * this.#count;
    const whole = size ? Math.floor(skip / size) : 0;
    let left = skip - whole * (size ?? 0);
    for (let i = whole; i < this.#count; i++) {
      let given = 0;
      const start = size === undefined ? 0 : left;
      for await (const element of this.#source.open(first + i, start)) {
        given += 1;
        if (size === undefined && left > 0) left -= 1;
        else yield element;
      }
      if (size !== undefined) left = 0;
      // An empty epoch would be repeated for ever.
      if (given === 0 && start === 0) return;
    }
  }
}

/** Random exchanges through a buffer: each element comes at most `buffer` places early. */
export class BufferShuffleSource<T> implements Source<T> {
  readonly #source: Source<T>;
  readonly #seed: number;
  readonly #buffer: number;

  constructor(source: Source<T>, seed: number, buffer: number) {
    this.#source = source;
    this.#seed = seed;
    this.#buffer = buffer;
  }

  get size(): number | undefined {
    return this.#source.size;
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    let left = skip;
    for await (const element of this.#shuffled(epoch)) {
      if (left > 0) left -= 1;
      else yield element;
    }
  }

  async *#shuffled(epoch: number): AsyncIterable<T> {
    const draws = new Draws(this.#seed, epoch);
    const held: T[] = [];
    for await (const element of this.#source.open(epoch, 0)) {
      held.push(element);
      if (held.length > this.#buffer) yield takeAt(held, draws.below(held.length));
    }
    while (held.length > 0) yield takeAt(held, draws.below(held.length));
  }
}

/** Removes one element; the last takes its place. */
function takeAt<T>(list: T[], index: number): T {
  const last = list.length - 1;
  const taken = list[index] as T;
  list[index] = list[last] as T;
  list.length = last;
  return taken;
}

/** `count` elements at a time, stacked. */
export class BatchSource<T> implements Source<Batched<T>> {
  readonly #source: Source<T>;
  readonly #count: number;
  readonly #dropRemainder: boolean;

  constructor(source: Source<T>, count: number, dropRemainder: boolean) {
    this.#source = source;
    this.#count = count;
    this.#dropRemainder = dropRemainder;
  }

  get size(): number | undefined {
    return batchCount(this.#source.size, this.#count, this.#dropRemainder);
  }

  async *open(epoch: number, skip: number): AsyncIterable<Batched<T>> {
    let examples: T[] = [];
    for await (const example of this.#source.open(epoch, skip * this.#count)) {
      examples.push(example);
      if (examples.length === this.#count) {
        yield await collate(examples);
        examples = [];
      }
    }
    if (examples.length > 0 && !this.#dropRemainder) yield await collate(examples);
  }
}

/** How many batches a number of examples makes. */
export function batchCount(
  examples: number | undefined,
  count: number,
  dropRemainder: boolean,
): number | undefined {
  if (examples === undefined) return undefined;
  return dropRemainder ? Math.floor(examples / count) : Math.ceil(examples / count);
}

/** The elements of the first epoch that was gone through to its end, from memory. */
export class CacheSource<T> implements Source<T> {
  readonly #source: Source<T>;
  #elements: readonly T[] | undefined;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  get size(): number | undefined {
    return this.#elements?.length ?? this.#source.size;
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    if (this.#elements) {
      for (let i = skip; i < this.#elements.length; i++) yield this.#elements[i] as T;
      return;
    }
    const seen: T[] = [];
    for await (const element of this.#source.open(epoch, skip)) {
      if (skip === 0) seen.push(element);
      yield element;
    }
    if (skip === 0) this.#elements ??= seen;
  }
}

/** Elements made ahead of their use. */
export class PrefetchSource<T> implements Source<T> {
  readonly #source: Source<T>;
  readonly #count: number;

  constructor(source: Source<T>, count: number) {
    this.#source = source;
    this.#count = count;
  }

  get size(): number | undefined {
    return this.#source.size;
  }

  async *open(epoch: number, skip: number): AsyncIterable<T> {
    const iterator = this.#source.open(epoch, skip)[Symbol.asyncIterator]();
    const asked: Promise<IteratorResult<T>>[] = [];
    const ask = (): void => {
      const next = iterator.next();
      // Its error is for whoever asks for this element; until then it must not count as unhandled.
      next.catch(() => {});
      asked.push(next);
    };
    try {
      for (;;) {
        while (asked.length <= this.#count) ask();
        const result = await (asked.shift() as Promise<IteratorResult<T>>);
        if (result.done) return;
        yield result.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
}
