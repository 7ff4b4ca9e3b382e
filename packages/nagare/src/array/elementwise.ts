/** Element by element: the primitives that are functions of tensors and numbers as they are, and a few built of them. */
import { checkDType, type DType, type Tensor, type TensorLike, ValueError } from "../core/index.ts";
import { asTensor, composite, builder as o, promoteOperands } from "../ops/index.ts";
import { asFloat } from "./precision.ts";

export {
  abs,
  add,
  bitwiseAnd,
  bitwiseXor,
  ceil,
  cos,
  equal,
  erf,
  exp,
  expm1,
  floor,
  greater,
  greaterEqual,
  isNan,
  less,
  lessEqual,
  log,
  log1p,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  pow,
  relu,
  remainder,
  round,
  rsqrt,
  shiftRightLogical,
  sigmoid,
  sign,
  sin,
  sqrt,
  square,
  sub,
  tanh,
} from "../ops/index.ts";

/**
 * a / b, elementwise with broadcasting. Two integer operands are divided as float32.
 * @example
 * ng.div(ng.tensor([1, 2]), 4).toArray(); // [0.25, 0.5]
 */
export function div(a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = promoteOperands(a, b, "div");
  return o.div(asFloat(x), asFloat(y));
}

/**
 * a where the condition (bool) holds, b elsewhere; all three broadcast. What is not chosen has a derivative of exactly 0.
 * @example
 * ng.where(x.greater(0), x, 0);
 */
export function where(condition: TensorLike, a: TensorLike, b: TensorLike): Tensor {
  return o.select(condition, a, b);
}

const clipBetween = composite(
  "clip",
  ([x]: readonly [Tensor], { low, high }: { readonly low: number; readonly high: number }) =>
    o.minimum(o.maximum(x, low), high),
);

/**
 * x, at least `low` and at most `high`; either may be left out as undefined. NaN stays NaN.
 * Throws ValueError when both are left out.
 * @example
 * ng.clip(x, 0, 6);
 */
export function clip(x: TensorLike, low?: TensorLike, high?: TensorLike): Tensor {
  if (low === undefined && high === undefined)
    throw new ValueError("clip: expected a low or a high bound; received neither.");
  const operand = asTensor(x, "clip");
  if (typeof low === "number" && typeof high === "number") return clipBetween([operand], { low, high });
  const raised = low === undefined ? operand : o.maximum(operand, low);
  return high === undefined ? raised : o.minimum(raised, high);
}

/**
 * The same values in another dtype. Floats to integers drop the fraction, and what does not fit saturates; NaN becomes 0;
 * integers to narrower ones wrap; to bool: whether they differ from 0. Throws DTypeError for an unknown dtype.
 * @example
 * ng.tensor([1.7, -1.7]).astype("int32").toArray(); // [1, -1]
 */
export function astype<D extends DType>(x: TensorLike, dtype: D): Tensor<D> {
  const from = asTensor(x, "astype");
  const to = checkDType(dtype, "astype");
  return (from.dtype === to ? from : o.convert(from, { dtype: to })) as Tensor<D>;
}

/**
 * x, through which no derivative passes.
 * @example
 * ng.grad((x) => x.mul(ng.stopGradient(x)))(ng.tensor(3)).item(); // 3
 */
export function stopGradient(x: TensorLike): Tensor {
  return o.stopGradient(asTensor(x, "stopGradient"), {});
}
