/** Products of vectors and matrices. */
import {
  checkDType,
  type DType,
  formatShape,
  type Shape,
  ShapeError,
  sumDType,
  type Tensor,
  type TensorLike,
} from "../core/index.ts";
import { builder as o, promoteOperands } from "../ops/index.ts";
import { moveAxis, ravel, reshape } from "./shape.ts";

const plain = { transposeA: false, transposeB: false };

/** Options of `matmul`. */
export interface MatmulOptions {
  /**
   * The dtype of the sums and of the result; default that of the operands, which are converted to it where it is another. What
   * int8 and uint8 give in int32, and float16 and bfloat16 in float32, is computed without such conversions, exactly or with
   * one rounding less.
   */
  readonly dtype?: DType;
}

/**
 * The matrix product over the last two axes, [..., m, k] × [..., k, n] → [..., m, n]; leading axes broadcast. A vector on
 * the left is a row, on the right a column, and that axis goes again. Sums of integers wrap: give those of int8 a `dtype`.
 * The native backend may take subnormal floats, which some processors multiply a hundred times slower, for 0 in products, and so
 * in convolutions, attention and recurrent layers; elementwise operations keep them.
 * Throws ShapeError for scalars and when k differs.
 * @example
 * ng.matmul(ng.ones([2, 3]), ng.ones([3, 4])).shape; // [2, 4]
 * ng.matmul(ng.ones([2, 3]), ng.ones([3])).shape; // [2]
 * const x = ng.full([2, 300], 100, { dtype: "int8" });
 * ng.matmul(x, x.transpose(), { dtype: "int32" }).item(0, 0); // 3000000
 */
export function matmul(a: TensorLike, b: TensorLike, options: MatmulOptions = {}): Tensor {
  const [x, y, wide] = matmulOperands(a, b, options);
  if (x.rank === 0 || y.rank === 0) {
    throw new ShapeError(
      `matmul: expected vectors or matrices; received ${formatShape(x.shape)} and ${formatShape(y.shape)}. Scale with mul.`,
    );
  }
  const params = wide ? { ...plain, wide } : plain;
  const [isRow, isColumn] = [x.rank === 1, y.rank === 1];
  if (!isRow && !isColumn) return o.matmul(x, y, params);
  const left = isRow ? reshape(x, [1, ...x.shape]) : x;
  const right = isColumn ? reshape(y, [...y.shape, 1]) : y;
  const product = o.matmul(left, right, params);
  const leading = product.shape.slice(0, -2);
  const kept: Shape = [
    ...leading,
    ...(isRow ? [] : product.shape.slice(-2, -1)),
    ...(isColumn ? [] : product.shape.slice(-1)),
  ];
  return reshape(product, kept);
}

/** The operands of a product in the dtype in which they are multiplied, and whether the result has the wider one of the sums. */
function matmulOperands(a: TensorLike, b: TensorLike, { dtype }: MatmulOptions): [Tensor, Tensor, boolean] {
  const [x, y] = promoteOperands(a, b, "matmul");
  if (dtype === undefined || dtype === x.dtype) return [x, y, false];
  checkDType(dtype, "matmul: dtype");
  if (dtype === sumDType(x.dtype)) return [x, y, true];
  return [o.convert(x, { dtype }), o.convert(y, { dtype }), false];
}

/**
 * NumPy's dot: the product of scalars, the inner product of vectors, the product of matrices, and otherwise the sum over
 * the last axis of a and the second-to-last of b, with all other axes of a and then of b.
 * @example
 * ng.dot(ng.tensor([1, 2]), ng.tensor([3, 4])).item(); // 11
 */
export function dot(a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = promoteOperands(a, b, "dot");
  if (x.rank === 0 || y.rank === 0) return o.mul(x, y);
  if (y.rank <= 2) return matmul(x, y);
  const inner = moveAxis(y, -2, 0);
  const product = matmul(x, reshape(inner, [inner.shape[0] ?? 1, -1]));
  return reshape(product, [...x.shape.slice(0, -1), ...inner.shape.slice(1)]);
}

/**
 * Every product of an element of a with one of b, both taken as flat: [m], [n] → [m, n].
 * @example
 * ng.outer(ng.tensor([1, 2]), ng.tensor([3, 4])).toArray(); // [[3, 4], [6, 8]]
 */
export function outer(a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = promoteOperands(a, b, "outer").map(ravel);
  return o.mul(reshape(x ?? a, [-1, 1]), reshape(y ?? b, [1, -1]));
}
