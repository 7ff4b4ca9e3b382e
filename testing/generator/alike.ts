/** The same function on the engine and on the reference. */
import assert from "node:assert/strict";
import * as ng from "nagare";
import type { DType } from "nagare/backend";
import { onBackend } from "./backends.ts";

/** Asserts that no element differs by more than 1e-5 of the largest: a derivative is the difference of such. */
export function assertClose(actual: ng.Tensor, expected: ng.Tensor, message: string): void {
  const [a, b] = [actual, expected].map((t) => Float64Array.from(t.dataSync() as ArrayLike<number>)) as [
    Float64Array,
    Float64Array,
  ];
  assert.equal(a.length, b.length);
  const tolerance = 1e-5 * b.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  b.forEach((value, i) => {
    assert.ok(Math.abs((a[i] as number) - value) <= tolerance, `${message}, element ${i}: ${a[i]}, ${value}`);
  });
}

/** Asserts that both backends compute the same of normal numbers. */
export function assertAlike(
  f: (x: ng.Tensor) => ng.Tensor,
  key: number,
  shape: readonly number[],
  dtype: DType,
): void {
  const x = onBackend("native", () => ng.random.normal(ng.random.key(key), shape).astype(dtype));
  const [native, reference] = (["native", "reference"] as const).map((backend) =>
    onBackend(backend, () => ng.jit(f)(x)),
  ) as [ng.Tensor, ng.Tensor];
  assertClose(native, reference, `[${shape}]`);
}
