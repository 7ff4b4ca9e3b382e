import type { Tensor } from "nagare";
import { tensor } from "nagare";
import { RequestError } from "../errors.ts";
import type { JsonReader } from "../json/index.ts";
import type { TensorSpec } from "../model.ts";
import { formatSpec } from "../model.ts";
import { Elements } from "./elements.ts";

/** The sizes that named dimensions have in one request, and which input gave them. */
export type NamedSizes = Map<string, { readonly size: number; readonly input: string }>;

/**
 * Reads one input of a request, nested lists of numbers, into a tensor. Lists are checked against the signature while
 * they are read: the first wrong size, ragged list or element of another type ends the request with its position.
 */
export class TensorReader {
  readonly #name: string;
  readonly #spec: TensorSpec;
  readonly #reader: JsonReader;
  readonly #elements: Elements;
  /** The size of each axis; undefined until a named axis has met its first list. */
  readonly #sizes: (number | undefined)[];
  /** Where the reader is: what holds the value, and the index in each open list. */
  #place: (() => string) | undefined;
  readonly #indices: number[] = [];

  constructor(name: string, spec: TensorSpec, reader: JsonReader) {
    this.#name = name;
    this.#spec = spec;
    this.#reader = reader;
    this.#elements = new Elements(spec.dtype);
    this.#sizes = spec.shape.map((d) => (typeof d === "number" ? d : undefined));
  }

  /** Reads the whole tensor; `place` is what messages call it. */
  readAll(place: string): void {
    this.#place = () => place;
    this.#read(0);
  }

  /** Reads the next row, a value of the shape without its first axis. */
  readRow(place: () => string): void {
    this.#place = place;
    this.#read(1);
  }

  /** The tensor. `rows` is the size of the first axis when it was read by rows. */
  finish(sizes: NamedSizes, rows?: number): Tensor {
    if (rows !== undefined) {
      this.#place = () => "instances";
      this.#closeList(0, rows);
    }
    const shape = this.#sizes.map((size) => size ?? 0);
    for (const [axis, size] of shape.entries()) this.#agree(axis, size, sizes);
    return tensor(this.#elements.finish(), { shape, dtype: this.#spec.dtype });
  }

  #read(axis: number): void {
    const reader = this.#reader;
    if (axis === this.#sizes.length) {
      const refusal = this.#elements.read(reader);
      if (refusal) this.#refuse(refusal.expected, refusal.received);
      return;
    }
    const kind = reader.kind();
    if (kind !== "a list") this.#refuse(this.#expectedList(axis), kind);
    const limit = this.#sizes[axis];
    let count = 0;
    if (reader.openList()) {
      do {
        if (count === limit) this.#refuse(this.#expectedList(axis), "a longer one");
        this.#indices.push(count);
        this.#read(axis + 1);
        this.#indices.pop();
        count += 1;
      } while (reader.nextElement());
    }
    this.#closeList(axis, count);
  }

  /** A list is over: its size must be the signature's, or that of the lists beside it. */
  #closeList(axis: number, count: number): void {
    const expected = this.#sizes[axis];
    // The sizes inside an empty list cannot be known, so that one is taken only where the signature says 0.
    if (expected === undefined ? count === 0 : count !== expected) {
      this.#refuse(this.#expectedList(axis), count === 0 ? "an empty one" : `one of ${count}`);
    }
    this.#sizes[axis] = count;
  }

  /** A name stands for one size in all inputs of a request. */
  #agree(axis: number, size: number, sizes: NamedSizes): void {
    const name = this.#spec.shape[axis];
    if (typeof name !== "string" || !/^\w+$/.test(name)) return;
    const known = sizes.get(name);
    if (known === undefined) sizes.set(name, { size, input: this.#name });
    else if (known.size !== size) {
      throw new RequestError(
        400,
        `Input "${this.#name}" is ${formatSpec(this.#spec)}, and input "${known.input}" has ${name} = ${known.size}: ` +
          `expected ${known.size} on axis ${axis}; received ${size}. Send the same ${name} in every input.`,
      );
    }
  }

  #expectedList(axis: number): string {
    const size = this.#sizes[axis];
    if (size === undefined) return "a list that is not empty";
    const asFirst = typeof this.#spec.shape[axis] === "string" ? ", like the first" : "";
    return `a list of ${size}${asFirst}`;
  }

  #refuse(expected: string, received: string): never {
    const place = `${this.#place?.() ?? ""}${this.#indices.map((index) => `[${index}]`).join("")}`;
    throw new RequestError(
      400,
      `Input "${this.#name}" is ${formatSpec(this.#spec)}: expected ${expected} at ${place}; ` +
        `received ${received === "an object" ? describeObject(this.#reader) : received}.`,
    );
  }
}

/** An object where numbers belong; the reader stands before it. Base64 gets a word of its own. */
function describeObject(reader: JsonReader): string {
  const isBase64 = reader.openObject() && reader.key() === "b64";
  return isBase64
    ? 'an object {"b64": …}, which encodes a string. String tensors are not supported: send the numbers as nested lists'
    : "an object";
}
