/** Several tensors made one. */
import {
  formatShape,
  normalizeAxis,
  ShapeError,
  sameShape,
  type Tensor,
  type TensorLike,
  ValueError,
} from "../core/index.ts";
import { asTensor, builder as o } from "../ops/index.ts";
import { expandDims } from "./shape.ts";

/** Along which axis tensors are joined. */
export interface JoinOptions {
  /** Default 0. */
  readonly axis?: number;
}

/**
 * Tensors joined along an existing axis; their other sizes are equal.
 * Throws ValueError for an empty list, ShapeError when sizes or dtypes differ.
 * @example
 * ng.concat([ng.ones([2, 3]), ng.zeros([1, 3])]).shape; // [3, 3]
 */
export function concat(tensors: readonly TensorLike[], { axis = 0 }: JoinOptions = {}): Tensor {
  const operands = tensors.map((x) => asTensor(x, "concat"));
  const [first] = operands;
  if (!first) throw new ValueError("concat: expected at least one tensor; received none.");
  return o.concat(operands, { axis: normalizeAxis(axis, first.rank, "concat") });
}

/**
 * Tensors of equal shape joined along a new axis.
 * Throws ValueError for an empty list, ShapeError when shapes differ.
 * @example
 * ng.stack([ng.tensor([1, 2]), ng.tensor([3, 4])], { axis: 1 }).toArray(); // [[1, 3], [2, 4]]
 */
export function stack(tensors: readonly TensorLike[], { axis = 0 }: JoinOptions = {}): Tensor {
  const operands = tensors.map((x) => asTensor(x, "stack"));
  const [first] = operands;
  if (!first) throw new ValueError("stack: expected at least one tensor; received none.");
  for (const operand of operands) {
    if (!sameShape(operand.shape, first.shape)) {
      throw new ShapeError(
        `stack: expected equal shapes; received ${formatShape(first.shape)} and ${formatShape(operand.shape)}.`,
      );
    }
  }
  const at = normalizeAxis(axis, first.rank + 1, "stack");
  return concat(
    operands.map((operand) => expandDims(operand, at)),
    { axis: at },
  );
}
