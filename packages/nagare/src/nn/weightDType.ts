/** The dtype of a layer's weights. */
import { checkDType, type DType, DTypeError, isFloat } from "../core/index.ts";

/**
 * The dtype, "float32" where none is given. Throws DTypeError unless it is a float's; `layer` and `what` are the names in the
 * message.
 */
export function weightDType(dtype: DType = "float32", layer: string, what = "weights"): DType {
  const checked = checkDType(dtype, `${layer}: dtype`);
  if (isFloat(checked)) return checked;
  throw new DTypeError(`${layer}: expected a float dtype for the ${what}; received ${checked}.`);
}
