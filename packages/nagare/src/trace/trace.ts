/**
 * The interpreter stack. An operation is bound to the innermost trace among its operands (or to the dynamic trace
 * that `jit` opens, which sees every operation); with none of them, it runs at once on the backend.
 */
import type { Aval, DType, Shape, Storage } from "../core/index.ts";
import { NagareError, Tensor, TracerError } from "../core/index.ts";
import type { Params, Primitive } from "./primitive.ts";

/** A mutable cell of state, as traces see it. */
export interface StateCell {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One level of the interpreter stack. */
export abstract class Trace {
  readonly level: number;
  /** False once the transform that opened it has returned: its tracers are then dead. */
  open = true;

  constructor(level: number) {
    this.level = level;
  }

  /** What the transform is called in messages, such as "grad". */
  abstract readonly transform: string;

  /** Gives the operation this trace's meaning. */
  abstract process<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[];

  /** The value below this trace, for state that outlives it; undefined where that has no meaning. */
  lower(_tracer: Tracer): Tensor | undefined {
    return undefined;
  }
}

/** A trace that sees every operation, whatever its operands, and reads and writes of state: what `jit` opens. */
export abstract class DynamicTrace extends Trace {
  abstract readState(cell: StateCell): Tensor;
  abstract writeState(cell: StateCell, value: Tensor): void;
}

/** A tensor whose values are not known yet, or known only together with what a transform adds. */
export abstract class Tracer<D extends DType = DType> extends Tensor<D> {
  readonly trace: Trace;

  constructor(trace: Trace, aval: Aval<D>) {
    super(aval.shape, aval.dtype);
    this.trace = trace;
  }

  get device(): string {
    return "traced";
  }

  readStorage(): Storage {
    throw new TracerError(
      `The value of a tensor was asked for while ${this.trace.transform} traces the function, when only its shape and ` +
        `dtype are known. To choose by a value use ng.where, or ng.cond under jit; to look at it, return it.`,
    );
  }
}

/** Runs an operation at once. */
export type Evaluator = <P extends Params>(
  op: Primitive<P>,
  inputs: readonly Tensor[],
  params: P,
) => Tensor[];

let evaluate: Evaluator = () => {
  throw new NagareError("No backend is installed. Import nagare's index, which installs the backends.");
};
let depth = 0;
let dynamic: DynamicTrace | undefined;

/** Installs what runs untraced operations: the runtime does, once. */
export function setEvaluator(evaluator: Evaluator): void {
  evaluate = evaluator;
}

/** The trace that `jit` has open, if any. */
export function currentDynamicTrace(): DynamicTrace | undefined {
  return dynamic;
}

/** Runs `body` with a new trace on top of the stack. */
export function withTrace<T extends Trace, R>(make: (level: number) => T, body: (trace: T) => R): R {
  depth += 1;
  const trace = make(depth);
  const outer = dynamic;
  if (trace instanceof DynamicTrace) dynamic = trace;
  try {
    return body(trace);
  } finally {
    dynamic = outer;
    trace.open = false;
    depth -= 1;
  }
}

/** What a traced function returned. Throws TracerError for a promise: the function has then not run to its end. */
export function returned<R>(result: R, transform: string): R {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {});
  throw new TracerError(
    `${transform}: the function must not be async: tracing runs it to its end at once. ` +
      `Await data before the call and pass it as an argument.`,
  );
}

/** Runs `body` with no dynamic trace: operations on concrete tensors run at once. */
export function withoutDynamicTrace<R>(body: () => R): R {
  const outer = dynamic;
  dynamic = undefined;
  try {
    return body();
  } finally {
    dynamic = outer;
  }
}

/** Applies a primitive: the door through which every operation passes. */
export function bind<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor[] {
  let top: Trace | undefined = dynamic;
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i];
    if (input instanceof Tracer) {
      if (!input.trace.open) throw escapedTracer(op.name, input);
      if (!top || input.trace.level > top.level) top = input.trace;
    }
  }
  return top ? top.process(op, inputs, params) : evaluate(op, inputs, params);
}

function escapedTracer(name: string, tracer: Tracer): TracerError {
  return new TracerError(
    `${name}: an operand was made while ${tracer.trace.transform} traced a function that has returned. ` +
      `Return such values from the function, or keep them in an ng.variable, instead of storing them outside.`,
  );
}

/** Takes tracers off until the value belongs to `level` or below: what state that outlives a trace may keep. */
export function lowerTo(level: number, value: Tensor, what: string): Tensor {
  let current = value;
  while (current instanceof Tracer && current.trace.level > level) {
    const below: Tensor | undefined = current.trace.lower(current);
    if (!below) {
      throw new TracerError(
        `${what} cannot keep a value that exists only inside ${current.trace.transform}. Return it from the function instead.`,
      );
    }
    current = below;
  }
  return current;
}
