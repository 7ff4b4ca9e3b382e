/** Products of vectors and matrices. */
import { formatShape, type Shape, ShapeError, type Tensor, type TensorLike } from "../core/index.ts";
import { builder as o, promoteOperands } from "../ops/index.ts";
import { moveAxis, ravel, reshape } from "./shape.ts";

const plain = { transposeA: false, transposeB: false };

/**
 * The matrix product over the last two axes, [..., m, k] × [..., k, n] → [..., m, n]; leading axes broadcast. A vector on
 * the left is a row, on the right a column, and that axis goes again. Throws ShapeError for scalars and when k differs.
 * @example
 * ng.matmul(ng.ones([2, 3]), ng.ones([3, 4])).shape; // [2, 4]
 * ng.matmul(ng.ones([2, 3]), ng.ones([3])).shape; // [2]
 */
export function matmul(a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = promoteOperands(a, b, "matmul");
  if (x.rank === 0 || y.rank === 0) {
    throw new ShapeError(
      `matmul: expected vectors or matrices; received ${formatShape(x.shape)} and ${formatShape(y.shape)}. Scale with mul.`,
    );
  }
  const [isRow, isColumn] = [x.rank === 1, y.rank === 1];
  const left = isRow ? reshape(x, [1, ...x.shape]) : x;
  const right = isColumn ? reshape(y, [...y.shape, 1]) : y;
  const product = o.matmul(left, right, plain);
  const leading = product.shape.slice(0, -2);
  const kept: Shape = [
    ...leading,
    ...(isRow ? [] : product.shape.slice(-2, -1)),
    ...(isColumn ? [] : product.shape.slice(-1)),
  ];
  return reshape(product, kept);
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
