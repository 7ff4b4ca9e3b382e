/** Compilation: trace once per signature, then one call per step. */
import {
  ConcreteTensor,
  checkCount,
  NagareError,
  type Tensor,
  type TreeDef,
  unflatten,
  ValueError,
} from "../core/index.ts";
import { printGraph as printGraphText } from "../ir/index.ts";
import { optimize, Program, recorded, variablesAreBound } from "../runtime/index.ts";
import { currentDynamicTrace, Tracer } from "../trace/index.ts";
import { type Call, CallReader, readCall, traceCall } from "./call.ts";

/** Options of `jit`. */
export interface JitOptions {
  /** Arguments that are part of the signature: the function is traced again for each different value. */
  readonly staticArgnums?: number | readonly number[];
  /**
   * Arguments whose tensors are given away: results are written over them where that is possible, and every later use of them
   * throws ValueError. Tensors that share their elements with others (reshaped ones, values of variables) are given away too,
   * but not written over. Inside another transform's trace nothing is given away.
   */
  readonly donate?: number | readonly number[];
  /** Passes that the function is compiled without, by name (see docs/passes.md). */
  readonly withoutPasses?: readonly string[];
}

/** A compiled function. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): R;
  /** The same, executed off the event loop where the backend can. */
  runAsync(...args: A): Promise<R>;
}

interface Specialization {
  readonly program: Program;
  readonly result: TreeDef;
}

function concreteInputs(inputs: readonly Tensor[]): readonly ConcreteTensor[] {
  for (const input of inputs)
    if (!(input instanceof ConcreteTensor)) throw new NagareError("jit: an argument has no values.");
  return inputs as readonly ConcreteTensor[];
}

/**
 * Compiles `f`: it is traced once for each signature (structure, shapes, dtypes, booleans and static arguments), and
 * later calls run the compiled program. Inside another transform's trace the function is simply called.
 * Throws TracerError when `f` asks a traced tensor for its value.
 * @example
 * const step = ng.jit((x, y) => x.matmul(y).sum());
 * step(ng.ones([2, 3]), ng.ones([3, 4])).item(); // 24
 */
export function jit<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  options: JitOptions = {},
): Jitted<A, R> {
  const { staticArgnums = [], donate = [], withoutPasses = [] } = options;
  const statics = typeof staticArgnums === "number" ? [staticArgnums] : staticArgnums;
  const given = typeof donate === "number" ? [donate] : donate;
  for (const index of given) {
    checkCount(index, 0, "jit: donate");
    if (statics.includes(index))
      throw new ValueError(`jit: expected argument ${index} to be static or donated; received it as both.`);
  }
  const reader = new CallReader(statics, given);
  const specializations = new Map<string, Specialization>();

  const specialize = (call: Call): Specialization => {
    const known = specializations.get(call.key);
    if (known) return known;
    const traced = recorded("compile", `trace ${f.name}`, () =>
      traceCall(f as (...args: never[]) => unknown, call),
    );
    const made = {
      program: new Program(traced.graph, {
        states: traced.states,
        assigned: traced.assigned,
        donated: call.donated,
        name: f.name || "jit",
        without: withoutPasses,
      }),
      result: traced.result,
    };
    specializations.set(call.key, made);
    return made;
  };
  // A variable whose gradient is being taken is no state to compile over: its tangent would be lost.
  const isTraced = (call: Call): boolean =>
    currentDynamicTrace() !== undefined ||
    variablesAreBound() ||
    call.inputs.some((input) => input instanceof Tracer);

  const jitted = (...args: A): R => {
    const call = reader.read(args);
    if (isTraced(call)) return f(...args);
    const { program, result } = specialize(call);
    return unflatten(result, program.run(concreteInputs(call.inputs))) as R;
  };
  const runAsync = async (...args: A): Promise<R> => {
    const call = reader.read(args);
    if (isTraced(call)) return f(...args);
    const { program, result } = specialize(call);
    return unflatten(result, await program.runAsync(concreteInputs(call.inputs))) as R;
  };
  return Object.assign(jitted, { runAsync });
}

/** Options of `printGraph`. */
export interface PrintGraphOptions {
  /** The pass to print after: "trace" (before any) or a name out of docs/passes.md. Default: the last. */
  readonly after?: string;
  /** The pass to print before. */
  readonly before?: string;
}

/**
 * The function that returns the text of f's graph for its arguments, as it is when all passes have run, or on the way.
 * Throws ValueError for a pass that there is not.
 * @example
 * console.log(ng.printGraph((x) => x.mul(2).add(1))(ng.ones([3])));
 * console.log(ng.printGraph(f, { before: "fuse" })(x), ng.printGraph(f, { after: "fuse" })(x));
 */
export function printGraph<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  { after, before }: PrintGraphOptions = {},
): (...args: A) => string {
  return (...args) => {
    const { graph } = traceCall(f as (...args: never[]) => unknown, readCall(args));
    return printGraphText(after === "trace" ? graph : optimize(graph, { after, before }));
  };
}
