/** Datasets: sequences of examples or batches that can be gone through again and again, from any place. */
import { checkCount, type Tensor, ValueError } from "../core/index.ts";
import type { Batched, TypedValues } from "./collate.ts";
import { checkSeed } from "./permutation.ts";
import { RowSource } from "./rows.ts";
import {
  BatchSource,
  BufferShuffleSource,
  CacheSource,
  IterableSource,
  MapSource,
  PrefetchSource,
  RangeSource,
  RepeatSource,
  type Source,
} from "./source.ts";

/** A tree whose leaves are tensors and typed arrays. */
export type TensorTree =
  | Tensor
  | TypedValues
  | readonly TensorTree[]
  | { readonly [key: string]: TensorTree };

/** One example of a tree of tensors: every leaf without its first axis. */
export type ExampleOf<T> = T extends Tensor
  ? T
  : T extends TypedValues
    ? Tensor
    : { [K in keyof T]: ExampleOf<T[K]> };

/** Options of `shuffle`. */
export interface ShuffleOptions {
  /** From 0 to 2³² − 1; default 0. */
  readonly seed?: number;
  /**
   * How many elements are held to choose from, when the elements come one by one; default 10,000. Examples from
   * `fromTensors` need no buffer: all of them are shuffled.
   */
  readonly buffer?: number;
}

/** A place in a dataset. */
export interface IteratorState {
  readonly epoch: number;
  /** How many elements of the epoch have been given out. */
  readonly index: number;
}

/** Where an iteration starts. */
export interface IterateOptions {
  /** Which epoch's order; default 0. */
  readonly epoch?: number;
  /** How many elements (batches, after `batch`) of that epoch to pass over; default 0. */
  readonly skipBatches?: number;
}

const defaultBuffer = 10_000;

/** One pass through a dataset, which knows where it is. */
export class DatasetIterator<T> implements AsyncIterableIterator<T> {
  readonly #elements: AsyncIterator<T>;
  readonly #epoch: number;
  #index: number;

  constructor(source: Source<T>, epoch: number, skip: number) {
    this.#elements = source.open(epoch, skip)[Symbol.asyncIterator]();
    this.#epoch = epoch;
    this.#index = skip;
  }

  /** Where the next element is: `dataset.iterate({ epoch, skipBatches: index })` goes on from here. */
  get state(): IteratorState {
    return { epoch: this.#epoch, index: this.#index };
  }

  /** The next element. Throws ValueError when there was not a single one. */
  async next(): Promise<IteratorResult<T>> {
    const result = await this.#elements.next();
    if (!result.done) this.#index += 1;
    else if (this.#index === 0) {
      throw new ValueError("Dataset: expected at least one element; the data is empty.");
    }
    return result;
  }

  /** Stops early and releases what the source holds. */
  async return(): Promise<IteratorResult<T>> {
    await this.#elements.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * A sequence of elements of type T: examples, and after `batch` batches. Immutable: every method returns a new dataset.
 *
 * `for await (const batch of dataset)` goes through one epoch; the n-th such loop over a dataset gets the order of epoch
 * n. What an epoch gives depends only on the seeds and the epoch's number, so that `iterate` can resume anywhere.
 * @example
 * const batches = ng.data.fromTensors({ x, y }).shuffle({ seed: 1 }).batch(128).prefetch(2);
 * for await (const { x, y } of batches) step(x, y);
 */
export class Dataset<T> implements AsyncIterable<T> {
  readonly #source: Source<T>;
  #epochs = 0;

  /** Datasets are made by `fromTensors`, `fromIterable` and `fromGenerator`. */
  constructor(source: Source<T>) {
    this.#source = source;
  }

  /**
   * The rows of tensors: one example for each index of the first axis.
   * @param tree A tensor, a typed array, or nested arrays and records of them.
   * Throws ShapeError when the first axes differ, ValueError when there is no example.
   */
  static fromTensors<const T extends TensorTree>(tree: T): Dataset<ExampleOf<T>> {
    return new Dataset(RowSource.of(tree) as unknown as Source<ExampleOf<T>>);
  }

  /**
   * The elements of an array, a set or any other iterable that can be gone through again and again.
   * Throws ValueError when it is empty, or when it can be gone through only once.
   */
  static fromIterable<T>(elements: Iterable<T> | AsyncIterable<T>): Dataset<T> {
    const size = Array.isArray(elements)
      ? elements.length
      : elements instanceof Set
        ? elements.size
        : undefined;
    if (size === 0) throw new ValueError("fromIterable: expected at least one element; received none.");
    if (typeof (elements as { next?: unknown }).next === "function") {
      throw new ValueError(
        "fromIterable: expected an iterable that can be gone through again, as each epoch does; received an iterator. " +
          "Use fromGenerator(() => …), which makes one for each epoch.",
      );
    }
    return new Dataset(new IterableSource(() => elements, size));
  }

  /**
   * The elements of an iteration made anew for each epoch.
   * @param make A function of the epoch's number, such as a (possibly async) generator function.
   * @param options.size The number of elements, when it is known.
   */
  static fromGenerator<T>(
    make: (epoch: number) => Iterable<T> | AsyncIterable<T>,
    { size }: { readonly size?: number } = {},
  ): Dataset<T> {
    if (size !== undefined) checkCount(size, 1, "fromGenerator: size");
    return new Dataset(new IterableSource(make, size));
  }

  /** The number of elements of one epoch, or undefined where only going through shows it. */
  get size(): number | undefined {
    return this.#source.size;
  }

  /** `f` of every element; `f` may be async. Skipped elements are not passed to it. */
  map<U>(f: (element: T) => U | Promise<U>): Dataset<U> {
    return new Dataset(new MapSource(this.#source, f));
  }

  /**
   * The elements in another order each epoch, which depends only on the seed and the epoch.
   * All rows of `fromTensors` (also after `take` and `skip`) are shuffled; other elements are drawn from a buffer.
   * Throws ValueError for a buffer below 1.
   */
  shuffle(options: ShuffleOptions | number = {}): Dataset<T> {
    const { seed = 0, buffer } = typeof options === "number" ? { seed: options } : options;
    checkSeed(seed, "shuffle");
    if (buffer !== undefined) checkCount(buffer, 1, "shuffle: buffer");
    if (this.#source instanceof RowSource && buffer === undefined)
      return new Dataset(this.#source.shuffle(seed));
    return new Dataset(new BufferShuffleSource(this.#source, seed, buffer ?? defaultBuffer));
  }

  /**
   * `size` elements at a time, stacked leaf by leaf along a new first axis (numbers become float32).
   * @param options.dropRemainder Leaves out a last batch that is smaller. Default false.
   * Throws ValueError for a size below 1, or when no batch would be left; while going through, ShapeError, DTypeError or
   * ValueError for elements that differ in shape, dtype or structure.
   */
  batch(
    size: number,
    { dropRemainder = false }: { readonly dropRemainder?: boolean } = {},
  ): Dataset<Batched<T>> {
    checkCount(size, 1, "batch: size");
    if (dropRemainder && this.size !== undefined && this.size < size) {
      throw new ValueError(
        `batch: expected at least ${size} elements, because dropRemainder leaves out smaller batches; received ${this.size}.`,
      );
    }
    const source = this.#source;
    return new Dataset(
      source instanceof RowSource
        ? (source.batch(size, dropRemainder) as Source<Batched<T>>)
        : new BatchSource(source, size, dropRemainder),
    );
  }

  /** Makes up to `count` elements before they are asked for (default 2). Throws ValueError for a count below 1. */
  prefetch(count = 2): Dataset<T> {
    checkCount(count, 1, "prefetch: count");
    return new Dataset(new PrefetchSource(this.#source, count));
  }

  /**
   * Keeps the elements of the first epoch that is gone through to its end, and gives them out in every later epoch.
   * Shuffle after it: the order is kept too.
   */
  cache(): Dataset<T> {
    return new Dataset(new CacheSource(this.#source));
  }

  /** The first `count` elements. Throws ValueError for a count below 1. */
  take(count: number): Dataset<T> {
    checkCount(count, 1, "take: count");
    return this.#range(0, count);
  }

  /** All but the first `count` elements. Throws ValueError for a negative count, or when nothing would be left. */
  skip(count: number): Dataset<T> {
    checkCount(count, 0, "skip: count");
    if (this.size !== undefined && count >= this.size) {
      throw new ValueError(
        `skip: expected a count below the ${this.size} elements there are; received ${count}.`,
      );
    }
    return this.#range(count, Number.POSITIVE_INFINITY);
  }

  #range(first: number, limit: number): Dataset<T> {
    const source = this.#source;
    return new Dataset(
      source instanceof RowSource ? source.range(first, limit) : new RangeSource(source, first, limit),
    );
  }

  /** `count` epochs as one; without a count, for ever. Every epoch has its own order. Throws ValueError below 1. */
  repeat(count = Number.POSITIVE_INFINITY): Dataset<T> {
    if (count !== Number.POSITIVE_INFINITY) checkCount(count, 1, "repeat: count");
    return new Dataset(new RepeatSource(this.#source, count));
  }

  /**
   * One epoch, from any element on. Passing over elements is cheap where the data is in memory; generators and shuffle
   * buffers go through them again.
   * @example
   * const { epoch, index } = iterator.state;
   * for await (const batch of dataset.iterate({ epoch, skipBatches: index })) step(batch);
   */
  iterate({ epoch = 0, skipBatches = 0 }: IterateOptions = {}): DatasetIterator<T> {
    checkCount(epoch, 0, "iterate: epoch");
    checkCount(skipBatches, 0, "iterate: skipBatches");
    return new DatasetIterator(this.#source, epoch, skipBatches);
  }

  /** The next epoch: 0 in the first loop over this dataset, 1 in the second … */
  [Symbol.asyncIterator](): DatasetIterator<T> {
    return this.iterate({ epoch: this.#epochs++ });
  }
}

/** `Dataset.fromTensors`: the rows of tensors as examples. */
export const fromTensors: typeof Dataset.fromTensors = Dataset.fromTensors;
/** `Dataset.fromIterable`: the elements of anything that can be gone through again. */
export const fromIterable: typeof Dataset.fromIterable = Dataset.fromIterable;
/** `Dataset.fromGenerator`: the elements of an iteration made anew for each epoch. */
export const fromGenerator: typeof Dataset.fromGenerator = Dataset.fromGenerator;
