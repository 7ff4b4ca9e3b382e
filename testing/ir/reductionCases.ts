/** What is reduced in tests of passes that change how. */
import * as ng from "nagare";
import type { DType, Tensor } from "nagare/backend";

export const dtypes: readonly DType[] = [
  ...(["float32", "float64", "float16", "bfloat16"] as const),
  ...(["int32", "int64", "int8", "uint8"] as const),
];

/**
 * Shapes with an axis to reduce, or null for all: rows and columns of every kind that the kernel knows, with what is left over
 * of vectors, tiles, blocks, pieces ahead and chunks, and some without elements.
 */
export const cases: readonly (readonly [shape: readonly number[], axis: number | null])[] = [
  ...[1, 7, 100, 2048, 2049, 5000, 40000, 65537, 300001].map((n) => [[n], null] as const),
  ...[5, 32, 33, 64].map((n) => [[200, n], 1] as const),
  ...[511, 513, 1025, 5000].map((n) => [[20, n], 1] as const),
  ...[3, 15, 16, 64].map((columns) => [[3000, columns], 0] as const),
  ...[1023, 1024, 1025, 3000].map((columns) => [[60, columns], 0] as const),
  ...[[3, 70001] as const, [2, 200000] as const].map((shape) => [shape, 1] as const),
  [[40000, 7], 0],
  [[9, 100], 0],
  [[100, 3, 16], 1],
  [[64, 100, 64], 1],
  [[3, 5000, 11], 1],
  [[2, 300, 1025], 1],
  [[0, 4], 0],
  [[4, 0], 1],
];

export const draw = (key: number, shape: readonly number[], dtype: DType): Tensor =>
  ng.random.normal(ng.random.key(key), shape).mul(4).astype(dtype);
