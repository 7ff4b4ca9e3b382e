/** Where a tensor's elements live. */
import { allocate, type DType, type TypedArray, type TypedArrayOf } from "./dtype.ts";
import { ValueError } from "./errors.ts";

/** The elements of one tensor on one device. Immutable once a handle to it exists. */
export interface Storage {
  /** "cpu" for every backend that computes in JavaScript's own memory. */
  readonly device: string;
  readonly byteLength: number;
  /** The elements once they are computed, without a copy. Callers must not write to them. */
  read(): Promise<TypedArray>;
  /** The same at once; throws UnsupportedError with the remedy on devices that cannot. */
  readSync(): TypedArray;
  /** Whether more than one handle, graph or variable has these elements; then nobody may write over them. */
  shared: boolean;
}

/** An asynchronous run that is still writing into storages. */
export interface Pending {
  /** Resolves when the run is over; rejects with its error. */
  readonly done: Promise<void>;
  /** Blocks until the run is over. */
  wait(): void;
}

/**
 * Elements in a typed array of JavaScript's own memory; the garbage collector frees it.
 * Native code borrows its pointer for the length of a call.
 */
export class CpuStorage implements Storage {
  readonly device = "cpu";
  readonly array: TypedArray;
  shared = false;
  #pending: Pending | undefined;

  constructor(array: TypedArray, pending?: Pending) {
    this.array = array;
    this.#pending = pending;
  }

  get byteLength(): number {
    return this.array.byteLength;
  }

  async read(): Promise<TypedArray> {
    const pending = this.#pending;
    if (pending) {
      await pending.done;
      if (this.#pending === pending) this.#pending = undefined;
    }
    return this.array;
  }

  readSync(): TypedArray {
    if (this.#pending) {
      this.#pending.wait();
      this.#pending = undefined;
    }
    return this.array;
  }

  /** Says that a run now writes into these elements; reads wait for it. */
  setPending(pending: Pending): void {
    this.#pending = pending;
  }
}

/** What a tensor has once its elements were donated: nothing. Every use throws ValueError with the remedy. */
export class DonatedStorage implements Storage {
  readonly device: string;
  readonly byteLength = 0;
  readonly #to: string;

  /** `to` is the name of the function that took the elements. */
  constructor(device: string, to: string) {
    this.device = device;
    this.#to = to;
  }

  get shared(): boolean {
    return true;
  }

  set shared(_: boolean) {
    this.readSync();
  }

  async read(): Promise<TypedArray> {
    return this.readSync();
  }

  readSync(): TypedArray {
    throw new ValueError(
      `expected a tensor that still has its elements; received one that was donated to ${this.#to}. Use what ${this.#to} returned, or call it without donate for this argument.`,
    );
  }
}

type Allocator = <D extends DType>(dtype: D, size: number) => TypedArrayOf[D];

let allocator: Allocator = allocate;

/** Says where the elements of new tensors live: the runtime keeps memory for them. */
export function setAllocator(chosen: Allocator): void {
  allocator = chosen;
}

/** An array for the elements of a new tensor, which are all written before anybody reads them. */
export function allocateElements<D extends DType>(dtype: D, size: number): TypedArrayOf[D] {
  return allocator(dtype, size);
}
