/** Forward-mode differentiation: every value travels with its tangent. */
import {
  checkSameStructure,
  DTypeError,
  flatten,
  formatAval,
  isDifferentiable,
  type Leaf,
  ShapeError,
  sameShape,
  type Tensor,
  UnsupportedError,
  unflatten,
} from "../core/index.ts";
import { asTensor, builder, type Params, type Primitive } from "../ops/index.ts";
import { bind, currentDynamicTrace, returned, Trace, Tracer, withTrace } from "../trace/index.ts";
import { materialize, ZeroTangent } from "./zeros.ts";

/** A value together with its tangent. */
export class JvpTracer extends Tracer {
  readonly primal: Tensor;
  readonly tangent: Tensor;

  constructor(trace: Trace, primal: Tensor, tangent: Tensor) {
    super(trace, primal);
    this.primal = primal;
    this.tangent = tangent;
  }
}

/** Records the tangents of a fused operation that has a reverse rule of its own, as one step. */
export type RecordFused = (
  op: Primitive,
  primals: readonly Tensor[],
  tangents: readonly Tensor[],
  params: Params,
  outputs: readonly Tensor[],
) => readonly Tensor[];

/** Gives each operation its jvp rule. Tangents may belong to any trace below: numbers, or the record of linearize. */
export class JvpTrace extends Trace {
  readonly transform: string;
  readonly #recordFused: RecordFused | undefined;

  constructor(level: number, transform: string, recordFused?: RecordFused) {
    super(level);
    this.transform = transform;
    this.#recordFused = recordFused;
  }

  override lower(tracer: Tracer): Tensor {
    return (tracer as JvpTracer).primal;
  }

  process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
    // In a graph the way back shares what the way forward has computed.
    const isKept = this.#recordFused && !currentDynamicTrace();
    if (op.compiled && op.decompose && !isKept) return [...op.decompose(builder, inputs, params)];
    const primals = inputs.map((input) => this.primalOf(input));
    const tangents = inputs.map((input) => this.tangentOf(input));
    const outputs = bind(op, primals, params);
    if (tangents.every((tangent) => tangent instanceof ZeroTangent)) return outputs;
    const rates = this.#ratesOf(op as unknown as Primitive, primals, tangents, params, outputs);
    return outputs.map((output, i) => {
      const rate = rates[i];
      if (!rate || rate instanceof ZeroTangent || !isDifferentiable(output)) return output;
      return new JvpTracer(this, output, rate);
    });
  }

  #ratesOf(...operation: Parameters<RecordFused>): readonly (Tensor | null)[] {
    const [op, primals, tangents, params, outputs] = operation;
    if ((op.vjp || op.compiled) && this.#recordFused) return this.#recordFused(...operation);
    if (op.jvp) return op.jvp(builder, primals, tangents, params, outputs);
    return pushDecomposition(op, primals, tangents, params);
  }

  primalOf(x: Tensor): Tensor {
    return x instanceof JvpTracer && x.trace === this ? x.primal : x;
  }

  tangentOf(x: Tensor): Tensor {
    return x instanceof JvpTracer && x.trace === this ? x.tangent : new ZeroTangent(x);
  }
}

/** The tangents of a fused operation's results: those of its decomposition. */
export function pushDecomposition(
  op: Primitive,
  primals: readonly Tensor[],
  tangents: readonly Tensor[],
  params: Params,
): Tensor[] {
  return withTrace(
    (level) => new JvpTrace(level, "a decomposition"),
    (trace) => {
      const inputs = primals.map((primal, i) => {
        const tangent = tangents[i];
        return !tangent || tangent instanceof ZeroTangent ? primal : new JvpTracer(trace, primal, tangent);
      });
      const results = op.decompose?.(builder, inputs, params);
      if (!results) {
        throw new UnsupportedError(
          `${op.name} has neither a jvp rule nor a decomposition, so that it cannot be differentiated.`,
        );
      }
      return results.map((result) => trace.tangentOf(result));
    },
  );
}

/** Checks that tangents fit their primals, leaf by leaf. */
export function checkTangents(primals: readonly Tensor[], tangents: readonly Tensor[], where: string): void {
  primals.forEach((primal, i) => {
    const tangent = tangents[i];
    if (!tangent || !sameShape(primal.shape, tangent.shape)) {
      throw new ShapeError(
        `${where}: value ${i} is ${formatAval(primal)}; its tangent must have the same shape, received ${tangent ? formatAval(tangent) : "none"}.`,
      );
    }
    if (!isDifferentiable(primal)) {
      throw new DTypeError(
        `${where}: value ${i} is ${primal.dtype}, which has no derivative. Convert it with .astype("float32").`,
      );
    }
  });
}

/** The leaves of an argument or result as tensors. */
export function tensorLeaves(leaves: readonly Leaf[], where: string): Tensor[] {
  return leaves.map((leaf) => asTensor(leaf, where));
}

/**
 * The value of `f` at `primals` and its derivative in the direction `tangents`.
 * Shapes and dtypes of each tangent equal its primal's; results are trees like f's.
 * Throws ShapeError or DTypeError when they do not.
 * @example
 * const [y, dy] = ng.jvp((x) => x.mul(x), [ng.tensor(3)], [ng.tensor(1)]); // 9, 6
 */
export function jvp<A extends readonly unknown[], R>(f: (...args: A) => R, primals: A, tangents: A): [R, R] {
  const { leaves, def } = flatten(primals);
  const directions = flatten(tangents);
  checkSameStructure(def, directions.def, "jvp");
  const points = tensorLeaves(leaves, "jvp");
  const rates = directions.leaves.map((leaf, i) => asTensor(leaf, "jvp", points[i]?.dtype));
  checkTangents(points, rates, "jvp");
  return withTrace(
    (level) => new JvpTrace(level, "jvp"),
    (trace) => {
      const tracers = points.map(
        (point, i) => new JvpTracer(trace, point, rates[i] ?? new ZeroTangent(point)),
      );
      const result = flatten(returned(f(...(unflatten(def, tracers) as A)), "jvp"));
      const outputs = tensorLeaves(result.leaves, "jvp");
      return [
        unflatten(
          result.def,
          outputs.map((output) => trace.primalOf(output)),
        ) as R,
        unflatten(
          result.def,
          outputs.map((output) => materialize(trace.tangentOf(output))),
        ) as R,
      ];
    },
  );
}
