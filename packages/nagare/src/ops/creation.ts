/** Tensors out of nothing, conversion between dtypes, and the end of a gradient's way. */
import { checkShape, type Dim, type DType, DTypeError, isFloat, type Shape } from "../core/index.ts";
import { convertElement, type Op1, op1, type SourceOp, source } from "./define/index.ts";

type Family = typeof import("./creation.ts");
declare module "../trace/primitive.ts" {
  interface OpBuilder extends Family {}
}

/** A tensor with every element equal to `value`, converted to the dtype as `convert` does (int64 values may be bigint). */
export const full: SourceOp<{ shape: Shape; dtype: DType; value: number | bigint }> = source("full", {
  dtypes: "any",
  abstract: (_, { shape, dtype }) => ({ shape: checkShape(shape, "full"), dtype }),
  jvp: null,
  batch: (o, _, __, params, size) => o.full({ ...params, shape: [size, ...params.shape] }),
  reference: (_, { value }, { shape, dtype }) =>
    new Array<number | bigint>(shape.reduce((a, b) => a * b, 1)).fill(
      convertElement(value, "float64", dtype),
    ),
  samples: () => [
    { inputs: [], params: { shape: [2, 3], dtype: "float32", value: 1.5 } },
    { inputs: [], params: { shape: [], dtype: "int32", value: -3 } },
    { inputs: [], params: { shape: [0, 2], dtype: "float64", value: 1 } },
  ],
});

/** 0, 1, 2 … along `axis`, the same along the others. */
export const iota: SourceOp<{ shape: Shape; dtype: DType; axis: number }> = source("iota", {
  dtypes: "number",
  abstract: (_, { shape, dtype, axis }) => {
    checkShape(shape, "iota");
    if (!(axis >= 0 && axis < shape.length)) {
      throw new DTypeError(`iota: expected an axis below the rank ${shape.length}; received ${axis}.`);
    }
    return { shape, dtype };
  },
  jvp: null,
  batch: (o, _, __, params, size: Dim) =>
    o.iota({ ...params, shape: [size, ...params.shape], axis: params.axis + 1 }),
  reference: (_, { axis }, { shape }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    return Array.from({ length: size }, (_unused, i) => Math.floor(i / inner) % (shape[axis] ?? 1));
  },
  samples: () => [
    { inputs: [], params: { shape: [5], dtype: "int32", axis: 0 } },
    { inputs: [], params: { shape: [2, 3], dtype: "float32", axis: 0 } },
    { inputs: [], params: { shape: [2, 3, 2], dtype: "float32", axis: 1 } },
  ],
});

/**
 * The same values in another dtype. Floats to integers drop the fraction; what does not fit saturates, NaN becomes 0;
 * integers to narrower ones wrap; to bool: ≠ 0.
 */
export const convert: Op1<{ dtype: DType }> = op1("convert", {
  dtypes: "any",
  abstract: ([x], { dtype }) => ({ shape: x.shape, dtype }),
  jvp: (o, [x], [dx], { dtype }) => (isFloat(dtype) && isFloat(x.dtype) ? o.convert(dx, { dtype }) : null),
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct, _, __, operand) => o.convert(ct, { dtype: operand.dtype }),
  batch: (o, [x], _, params) => o.convert(x, params),
  reference: ([x], _, { dtype }) =>
    Array.from(x.data as ArrayLike<number | bigint>, (value) => convertElement(value, x.dtype, dtype)),
  samples: () =>
    (["float32", "float64", "float16", "bfloat16", "int32", "int64", "uint8", "int8", "bool"] as const).map(
      (dtype) => ({
        inputs: [{ shape: [2, 5], low: -100, high: 100 }],
        params: { dtype },
      }),
    ),
});

/** x, through which no derivative passes. */
export const stopGradient: Op1<Record<never, never>> = op1("stopGradient", {
  dtypes: "any",
  abstract: ([x]) => x,
  jvp: null,
  batch: (o, [x]) => o.stopGradient(x, {}),
  reference: ([x]) => x.data,
  samples: () => [{ inputs: [{ shape: [2, 3], low: -1, high: 1 }], params: {} }],
});

/**
 * x, which passes do not see through: what is computed of it stays apart from equal computations of x itself, and later.
 * What is to be made again instead of kept would otherwise be found to be there already.
 */
export const barrier: Op1<Record<never, never>> = op1("barrier", {
  dtypes: "any",
  abstract: ([x]) => x,
  linear: { kind: "joint", operands: [0] },
  transpose: (o, ct) => o.barrier(ct, {}),
  batch: (o, [x]) => o.barrier(x, {}),
  reference: ([x]) => x.data,
  samples: () => [{ inputs: [{ shape: [2, 3], low: -1, high: 1 }], params: {} }],
});
