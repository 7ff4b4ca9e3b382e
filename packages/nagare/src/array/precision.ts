/** The dtype in which results that are fractions by nature are computed. */
import { isFloat, type Tensor } from "../core/index.ts";
import { builder as o } from "../ops/index.ts";

/** Integers and bools as float32, floats as they are. */
export function asFloat(x: Tensor): Tensor {
  return isFloat(x.dtype) ? x : o.convert(x, { dtype: "float32" });
}

/** `compute` in float32 for float16 and bfloat16, whose sums overflow or stall early; its result in x's dtype again. */
export function widened(x: Tensor, compute: (x: Tensor) => Tensor): Tensor {
  const float = asFloat(x);
  if (float.dtype !== "float16" && float.dtype !== "bfloat16") return compute(float);
  return o.convert(compute(o.convert(float, { dtype: "float32" })), { dtype: float.dtype });
}
