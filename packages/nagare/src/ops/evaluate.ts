/** An operation applied by its own definition: what every backend is compared with, and what passes fold with. */
import {
  allocate,
  bfloat16ToNumber,
  ConcreteTensor,
  CpuStorage,
  concreteShape,
  concreteSize,
  type DType,
  float16ToNumber,
  type TypedArray,
  UnsupportedError,
} from "../core/index.ts";
import type { Params, Primitive, ReferenceArray } from "../trace/index.ts";
import { writeElement } from "./define/index.ts";
import { expand } from "./expand.ts";

function decode(dtype: DType, array: TypedArray): TypedArray {
  if (dtype === "float16") return Float32Array.from(array as Uint16Array, float16ToNumber);
  if (dtype === "bfloat16") return Float32Array.from(array as Uint16Array, bfloat16ToNumber);
  return array;
}

/** Runs the reference implementation on concrete tensors of the CPU; of a fused operation, that of its decomposition. */
export function evaluateReference(
  op: Primitive,
  inputs: readonly ConcreteTensor[],
  params: Params,
): ConcreteTensor[] {
  if (op.decompose) return expand(op, inputs, params, evaluateReference);
  if (!op.reference) throw new UnsupportedError(`${op.name} has neither a reference nor a decomposition.`);
  const avals = op.abstract(inputs, params);
  const arrays = inputs.map(
    (input): ReferenceArray => ({
      shape: concreteShape(input.shape),
      dtype: input.dtype,
      data: decode(input.dtype, input.storage.readSync()),
    }),
  );
  const results = op.reference(arrays, params, avals);
  return avals.map((aval, i) => {
    const result = results[i] ?? [];
    const array = allocate(aval.dtype, concreteSize(aval.shape));
    for (let k = 0; k < array.length; k++) writeElement(array, aval.dtype, k, result[k] ?? 0);
    return new ConcreteTensor(aval.shape, aval.dtype, new CpuStorage(array));
  });
}
