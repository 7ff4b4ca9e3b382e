/**
 * Symbolic zeros: the tangent of whatever does not depend on the input. They pass through linear operations without
 * costing anything, and become real zeros only where an operation needs the numbers.
 */
import { type Aval, sameShape, type Tensor } from "../core/index.ts";
import { bindOne, linearOperands, builder as o, type Params, type Primitive } from "../ops/index.ts";
import { bind, Trace, Tracer } from "../trace/index.ts";

/** A tangent or cotangent known to be zero. */
export class ZeroTangent extends Tracer {
  constructor(aval: Aval) {
    super(zeros, aval);
  }
}

/** The tensor itself, with symbolic zeros made real. */
export function materialize(tangent: Tensor): Tensor {
  if (!(tangent instanceof ZeroTangent)) return tangent;
  return o.full({ shape: tangent.shape, dtype: tangent.dtype, value: 0 });
}

class ZeroTrace extends Trace {
  readonly transform = "differentiation";

  process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
    const record = op as unknown as Primitive;
    const operands = linearOperands(record, inputs.length);
    const isZero = (i: number) => inputs[i] instanceof ZeroTangent;
    const vanishes =
      op.linear?.kind === "each" ? operands.some(isZero) : operands.length > 0 && operands.every(isZero);
    const onlyLinear = inputs.every((input, i) => !(input instanceof ZeroTangent) || operands.includes(i));
    if (vanishes && onlyLinear) return op.abstract(inputs, params).map((aval) => new ZeroTangent(aval));
    const [a, b] = inputs;
    // Addition is what tangents are summed with, so a zero operand must not cost a pass over memory.
    if (op.name === "add" && a && b) {
      const [aval] = op.abstract(inputs, params);
      const other = a instanceof ZeroTangent ? b : a;
      if (aval && sameShape(aval.shape, other.shape)) return [other];
      if (aval) return [bindOne(o.broadcastTo, [other], { shape: aval.shape })];
    }
    return bind(op, inputs.map(materialize), params);
  }
}

// Above every other trace: a zero is looked at before anything else happens to the operation.
const zeros: Trace = new ZeroTrace(Number.POSITIVE_INFINITY);
