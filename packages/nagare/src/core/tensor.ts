/** The tensor handle: what users hold, whatever computes it. */
import type { DType, TypedArray, TypedArrayOf } from "./dtype.ts";
import { bytesPerElement, isFloat } from "./dtype.ts";
import { FormatError, ShapeError } from "./errors.ts";
import { bfloat16ToNumber, float16ToNumber } from "./half.ts";
import type { Shape } from "./shape.ts";
import { concreteSize, formatShape } from "./shape.ts";
import { DonatedStorage, type Storage } from "./storage.ts";

/** Shape and dtype: what is known of a tensor before its values are. */
export interface Aval<D extends DType = DType> {
  readonly shape: Shape;
  readonly dtype: D;
}

/** The bytes of a tensor's elements; its shape must be concrete. */
export function bytesOf({ shape, dtype }: Aval): number {
  return concreteSize(shape) * bytesPerElement(dtype);
}

/** An element as JavaScript sees it: bigint for int64, boolean for bool, number for the rest. */
export type ElementOf<D extends DType> = D extends "int64" ? bigint : D extends "bool" ? boolean : number;

/** Nested arrays, as deep as the tensor's rank. */
export type Nested<T> = T | Nested<T>[];

/** Something that currently holds a tensor, such as a Variable; accepted wherever a tensor is. */
export interface TensorHolder {
  readonly value: Tensor;
}

/** What operations accept as a tensor. Plain numbers are weak: they take the other operand's dtype. */
export type TensorLike = Tensor | TensorHolder | number | bigint | boolean;

/**
 * An immutable n-dimensional array. Operations never change their operands and nothing has to be disposed.
 *
 * Subclasses are the concrete tensor, whose values exist, and the tracers of the transforms. The methods for the
 * operations (`a.add(b)`, `a.sum()` …) are those functions of `ng` that take a tensor first.
 */
export abstract class Tensor<D extends DType = DType> {
  readonly shape: Shape;
  readonly dtype: D;

  constructor(shape: Shape, dtype: D) {
    this.shape = shape;
    this.dtype = dtype;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements; throws ShapeError while a dimension is symbolic. */
  get size(): number {
    return concreteSize(this.shape);
  }

  /** The device that holds the elements, such as "cpu". */
  abstract get device(): string;

  /** The elements, resident and computed. Tracers throw TracerError. */
  abstract readStorage(): Storage;

  /**
   * The elements in row-major order, as a fresh typed array (float16 and bfloat16 as Float32Array, int64 as
   * BigInt64Array, bool as Uint8Array). Asynchronous because some devices can be read only so.
   */
  async data(): Promise<ReadableArray<D>> {
    return copyElements(this.dtype, await this.readStorage().read());
  }

  /** The same as `data()`, at once. Throws UnsupportedError on devices that cannot be read synchronously. */
  dataSync(): ReadableArray<D> {
    return copyElements(this.dtype, this.readStorage().readSync());
  }

  /** The elements as nested JavaScript arrays; a scalar gives its element. */
  toArray(): Nested<ElementOf<D>> {
    const elements = this.dataSync();
    const shape = this.shape as readonly number[];
    let at = 0;
    const nest = (axis: number): Nested<ElementOf<D>> => {
      if (axis === shape.length) return toElement(this.dtype, elements, at++);
      return Array.from({ length: shape[axis] ?? 0 }, () => nest(axis + 1));
    };
    return nest(0);
  }

  /** The only element of a tensor of size 1. Throws ShapeError for any other size. */
  item(): ElementOf<D> {
    const storage = this.readStorage();
    if (this.size !== 1) {
      throw new ShapeError(
        `item: expected a tensor of one element; received the shape ${formatShape(this.shape)}. Use toArray() or data().`,
      );
    }
    return toElement(this.dtype, copyElements(this.dtype, storage.readSync()), 0);
  }

  /** `Tensor(float32[2, 3])`; values are read with data(), toArray() or item(). */
  toString(): string {
    return `Tensor(${formatAval(this)})`;
  }

  get [Symbol.toStringTag](): string {
    return "Tensor";
  }

  /** Refuses `a + b`, `if (a > b)` and the like, which JavaScript would answer with nonsense. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new FormatError(
      `A ${this.toString()} is not a JavaScript number. Write a.add(b) for a + b and a.item() for its value.`,
    );
  }
}

/** What `data()` returns for a dtype. */
export type ReadableArray<D extends DType> = D extends "float16" | "bfloat16"
  ? Float32Array
  : TypedArrayOf[D];

/** A tensor whose values exist on a device. */
export class ConcreteTensor<D extends DType = DType> extends Tensor<D> {
  #storage: Storage;

  constructor(shape: Shape, dtype: D, storage: Storage) {
    super(shape, dtype);
    this.#storage = storage;
  }

  get storage(): Storage {
    return this.#storage;
  }

  /** Gives the elements away to a function of this name: from now on every use of this handle throws ValueError. */
  donate(to: string): void {
    this.#storage = new DonatedStorage(this.#storage.device, to);
  }

  get device(): string {
    return this.storage.device;
  }

  readStorage(): Storage {
    return this.storage;
  }
}

/** `float32[2, 3]` */
export function formatAval(aval: Aval): string {
  return `${aval.dtype}${formatShape(aval.shape)}`;
}

function copyElements<D extends DType>(dtype: D, array: TypedArray): ReadableArray<D> {
  const decode = dtype === "float16" ? float16ToNumber : dtype === "bfloat16" ? bfloat16ToNumber : undefined;
  if (decode) return Float32Array.from(array as Uint16Array, decode) as ReadableArray<D>;
  return array.slice() as ReadableArray<D>;
}

function toElement<D extends DType>(dtype: D, array: ReadableArray<D>, index: number): ElementOf<D> {
  const element = array[index];
  return (dtype === "bool" ? element !== 0 : element) as ElementOf<D>;
}

/** Whether derivatives with respect to it exist: only floats vary continuously. */
export function isDifferentiable(aval: Aval): boolean {
  return isFloat(aval.dtype);
}
