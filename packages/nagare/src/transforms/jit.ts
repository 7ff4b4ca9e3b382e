/** Compilation: trace once per signature, then one call per step. */
import {
  ConcreteTensor,
  flatten,
  type Leaf,
  NagareError,
  Tensor,
  type TreeDef,
  treeKey,
  unflatten,
  ValueError,
} from "../core/index.ts";
import { printGraph as printGraphText } from "../ir/index.ts";
import { asTensor } from "../ops/index.ts";
import { optimize, Program, recorded, Variable, variablesAreBound } from "../runtime/index.ts";
import { currentDynamicTrace, returned, Tracer } from "../trace/index.ts";
import { type Traced, traceGraph } from "./graphTrace.ts";

/** Options of `jit`. */
export interface JitOptions {
  /** Arguments that are part of the signature: the function is traced again for each different value. */
  readonly staticArgnums?: number | readonly number[];
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

interface Call {
  readonly key: string;
  readonly inputs: readonly Tensor[];
  readonly def: TreeDef;
  readonly leaves: readonly Leaf[];
}

/** Booleans steer the function as plain JavaScript and so belong to the signature; variables are state. */
function isInput(leaf: Leaf): boolean {
  return typeof leaf !== "boolean" && !(leaf instanceof Variable);
}

function leafKey(leaf: Leaf, tensor: Tensor | undefined): string {
  if (tensor) return `${tensor.dtype}[${tensor.shape.map(String).join(",")}]`;
  return typeof leaf === "boolean" ? String(leaf) : treeKey({ kind: "static", value: leaf });
}

function readCall(args: readonly unknown[], statics: readonly number[]): Call {
  const traced =
    statics.length === 0 ? args : args.map((arg, i) => (statics.includes(i) ? staticPart(arg) : arg));
  const { leaves, def } = flatten(traced);
  const inputs: Tensor[] = [];
  let key = treeKey(def);
  for (const leaf of leaves) {
    const tensor = isInput(leaf) ? asTensor(leaf, "jit") : undefined;
    if (tensor) inputs.push(tensor);
    key += `|${leafKey(leaf, tensor)}`;
  }
  return { key, inputs, def, leaves };
}

/** A static argument hides its leaves from tracing: numbers and strings count by value, objects by identity. */
class Static {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}
const staticValues = new Map<unknown, Static>();

function staticPart(value: unknown): Static {
  if (value instanceof Tensor) {
    throw new ValueError(
      "jit: a tensor cannot be a static argument; static are numbers, strings, booleans and objects that steer the function.",
    );
  }
  if (typeof value === "object" && value !== null) return objectStatic(value);
  let part = staticValues.get(value);
  if (!part) {
    part = new Static(value);
    staticValues.set(value, part);
  }
  return part;
}

const staticObjects = new WeakMap<object, Static>();

function objectStatic(value: object): Static {
  let part = staticObjects.get(value);
  if (!part) {
    part = new Static(value);
    staticObjects.set(value, part);
  }
  return part;
}

function traceCall(f: (...args: never[]) => unknown, call: Call): Traced<TreeDef> {
  return traceGraph(call.inputs, (inputs) => {
    let next = 0;
    const leaves = call.leaves.map((leaf) => (isInput(leaf) ? inputs[next++] : leaf));
    const args = unflatten(call.def, leaves, { keepObjects: true }) as unknown[];
    const given = args.map((arg) => (arg instanceof Static ? arg.value : arg));
    const result = returned(f(...(given as never[])), "jit");
    const flat = flatten(result);
    return { outputs: flat.leaves.map((leaf) => asTensor(leaf, "jit")), result: flat.def };
  });
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
  const { staticArgnums = [], withoutPasses = [] } = options;
  const statics = typeof staticArgnums === "number" ? [staticArgnums] : staticArgnums;
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
    const call = readCall(args, statics);
    if (isTraced(call)) return f(...args);
    const { program, result } = specialize(call);
    return unflatten(result, program.run(concreteInputs(call.inputs))) as R;
  };
  const runAsync = async (...args: A): Promise<R> => {
    const call = readCall(args, statics);
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
    const { graph } = traceCall(f as (...args: never[]) => unknown, readCall(args, []));
    return printGraphText(after === "trace" ? graph : optimize(graph, { after, before }));
  };
}
