/** What the tests of datasets put in, and how they look at what comes out. */
import {
  allocate,
  ConcreteTensor,
  CpuStorage,
  type DType,
  type Tensor,
} from "../../packages/nagare/src/core/index.ts";
import type { Dataset } from "../../packages/nagare/src/data/index.ts";

/** 0, 1, 2 … of a shape and dtype (bools: 0, 1, 0 …). */
export function counting(shape: readonly number[], dtype: DType = "float32"): Tensor {
  const array = allocate(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  for (let i = 0; i < array.length; i++) {
    if (array instanceof BigInt64Array) array[i] = BigInt(i);
    else array[i] = dtype === "bool" ? i % 2 : i;
  }
  return new ConcreteTensor(shape, dtype, new CpuStorage(array));
}

/** All elements. */
export async function collect<T>(elements: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const element of elements) list.push(element);
  return list;
}

/** The elements of an epoch as nested arrays. */
export async function arrays(dataset: Dataset<Tensor>, options = {}): Promise<unknown[]> {
  return (await collect(dataset.iterate(options))).map((tensor) => tensor.toArray());
}

/** 0 … count − 1. */
export const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
/** In rising order. */
export const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);
