/** Tensors for the tests of files: made without a backend, compared bit by bit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { DType, Tensor } from "../../packages/nagare/src/core/index.ts";
import { allocate, ConcreteTensor, CpuStorage, dtypes } from "../../packages/nagare/src/core/index.ts";

/** The stored bytes of a tensor. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const array = tensor.readStorage().readSync();
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
}

/** A tensor whose stored bytes repeat `pattern`; bools are 0 and 1. */
export function patterned(dtype: DType, shape: readonly number[], pattern: readonly number[]): Tensor {
  const array = allocate(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  const bytes = new Uint8Array(array.buffer);
  bytes.forEach((_, i) => {
    const byte = pattern[i % pattern.length] ?? 0;
    bytes[i] = dtype === "bool" ? byte % 2 : byte;
  });
  return new ConcreteTensor(shape, dtype, new CpuStorage(array));
}

/** float32 numbers as a tensor. */
export function floats(
  values: readonly number[],
  shape: readonly number[] = [values.length],
): Tensor<"float32"> {
  return new ConcreteTensor(shape, "float32", new CpuStorage(Float32Array.from(values)));
}

/** Any tensor of up to three axes, of any dtype. */
export const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
    pattern: fc.array(fc.nat(255), { minLength: 1, maxLength: 9 }),
  })
  .map(({ dtype, shape, pattern }) => patterned(dtype, shape, pattern));

/** Any tensors by any names that files may give them. */
export const anyTensors: fc.Arbitrary<Map<string, Tensor>> = fc
  .array(
    fc.tuple(
      fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("0", "__proto__", "w.0", "")),
      anyTensor,
    ),
    {
      maxLength: 5,
    },
  )
  .map((entries) => new Map(entries));

/** Asserts equal names, shapes, dtypes and stored bits. */
export function assertSameTensors(
  actual: ReadonlyMap<string, Tensor>,
  expected: ReadonlyMap<string, Tensor>,
): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [name, tensor] of expected) {
    const other = actual.get(name);
    assert.ok(other);
    assert.deepEqual([other.dtype, other.shape], [tensor.dtype, tensor.shape], name);
    assert.deepEqual(bytesOf(other), bytesOf(tensor), name);
  }
}
