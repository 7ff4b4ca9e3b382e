/** Decompositions of fused operations, carried out on tensors of the reference or on values of a graph. */
import { type Aval, type ConcreteTensor, NagareError, type Tensor } from "../core/index.ts";
import { DynamicTrace, type Params, type Primitive, Tracer, withTrace } from "../trace/index.ts";
import { builder } from "./define/index.ts";

/** A value of the kind that is computed with, behind the face of a tensor. */
class ExpandTracer<H extends Aval> extends Tracer {
  readonly handle: H;

  constructor(trace: ExpandTrace<H>, handle: H) {
    super(trace, handle);
    this.handle = handle;
  }
}

/** Carries out one operation. Constants of the decomposition come as tensors. */
export type Apply<H extends Aval> = (
  op: Primitive,
  inputs: readonly (H | ConcreteTensor)[],
  params: Params,
) => readonly H[];

class ExpandTrace<H extends Aval> extends DynamicTrace {
  readonly transform = "a decomposition";
  readonly #apply: Apply<H>;

  constructor(level: number, apply: Apply<H>) {
    super(level);
    this.#apply = apply;
  }

  process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
    if (op.inline && op.decompose) return [...op.decompose(builder, inputs, params)];
    const handles = inputs.map((input) => this.handleOf(input));
    return this.#apply(op as unknown as Primitive, handles, params).map(
      (handle) => new ExpandTracer(this, handle),
    );
  }

  handleOf(x: Tensor): H | ConcreteTensor {
    return x instanceof ExpandTracer && x.trace === this ? (x.handle as H) : (x as ConcreteTensor);
  }

  readState(): never {
    throw new NagareError("A decomposition reads no state.");
  }

  writeState(): never {
    throw new NagareError("A decomposition writes no state.");
  }
}

/** The results of a fused operation's decomposition, step by step. */
export function expand<H extends Aval>(
  op: Primitive,
  inputs: readonly H[],
  params: Params,
  apply: Apply<H>,
): (H | ConcreteTensor)[] {
  return withTrace(
    (level) => new ExpandTrace<H>(level, apply),
    (trace) => {
      const operands = inputs.map((input) => new ExpandTracer(trace, input));
      const results = op.decompose?.(builder, operands, params);
      if (!results) throw new NagareError(`${op.name} has no decomposition.`);
      return results.map((result) => trace.handleOf(result));
    },
  );
}
