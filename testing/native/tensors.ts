/** Random tensors and their comparison, by elements. */
import assert from "node:assert/strict";
import {
  allocate,
  bfloat16ToNumber,
  ConcreteTensor,
  CpuStorage,
  type DType,
  float16ToNumber,
  isFloat,
  type TypedArray,
  writeElement,
} from "nagare/backend";

/** Numbers in [0, 1). */
export type Random = () => number;

/** A generator that gives the same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Elements drawn evenly from [low, high]; whole ones for integers. */
export function randomTensor(
  random: Random,
  shape: readonly number[],
  dtype: DType,
  low: number,
  high: number,
): ConcreteTensor {
  const array = allocate(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  for (let i = 0; i < array.length; i++) {
    const value = low + random() * (high - low);
    writeElement(array, dtype, i, isFloat(dtype) ? value : Math.floor(low + random() * (high - low + 1)));
  }
  return new ConcreteTensor(shape, dtype, new CpuStorage(array));
}

/** The number that an element of storage stands for. */
export function decoded(dtype: DType, array: TypedArray, index: number): number {
  const element = Number(array[index]);
  return dtype === "float16"
    ? float16ToNumber(element)
    : dtype === "bfloat16"
      ? bfloat16ToNumber(element)
      : element;
}

/** Smallest relative error that a dtype can be asked for. */
const epsilon: { readonly [D in DType]?: number } = { float16: 2e-3, bfloat16: 1.6e-2 };

/** Elements are equal, or for floats within `tolerance` relative to the larger of 1 and the expected magnitude. */
export function compareTensors(
  actual: ConcreteTensor,
  expected: ConcreteTensor,
  tolerance: number,
  label: string,
): void {
  assert.deepEqual(actual.shape, expected.shape, label);
  assert.equal(actual.dtype, expected.dtype, label);
  const [a, b] = [actual.storage.readSync(), expected.storage.readSync()];
  const { dtype } = expected;
  const allowed = isFloat(dtype) && tolerance > 0 ? Math.max(tolerance, epsilon[dtype] ?? 0) : 0;
  for (let i = 0; i < b.length; i++) {
    if (a[i] === b[i]) continue;
    const [x, y] = [decoded(dtype, a, i), decoded(dtype, b, i)];
    if (Number.isNaN(x) && Number.isNaN(y)) continue;
    if (x === y || Math.abs(x - y) <= allowed * Math.max(1, Math.abs(y))) continue;
    assert.fail(`${label}: element ${i} of ${b.length} is ${x}; expected ${y}`);
  }
}
