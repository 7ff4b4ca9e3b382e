/** The native backend: graphs become programs of the engine; eager operations are programs of one instruction, kept. */
import { availableParallelism } from "node:os";
import {
  type Aval,
  allocateStorage,
  type Backend,
  type ConcreteTensor,
  CpuStorage,
  concreteSize,
  type DType,
  type Executable,
  type Graph,
  GraphBuilder,
  NagareError,
  type Param,
  type Params,
  type Pending,
  type Primitive,
  type RunResult,
  type Shape,
  type Storage,
  type TypedArray,
  ValueError,
} from "nagare/backend";
import { type Addon, loadAddon, type ProgramHandle } from "./addon.ts";
import { compileProgram, type EngineCodes, takesFused } from "./compile.ts";

/** Eager programs that are kept; the oldest make room. */
const maximalEagerPrograms = 4096;

function cpuArray(storage: Storage | undefined): TypedArray {
  if (!(storage instanceof CpuStorage)) {
    throw new NagareError(
      `The native backend computes on the CPU; received ${storage?.device ?? "no storage"}.`,
    );
  }
  return storage.array;
}

/** Values that an operation cannot take, such as an index out of range, are the engine's range errors. */
function asValueError(error: unknown): unknown {
  return error instanceof RangeError ? new ValueError(error.message, { cause: error }) : error;
}

/** A run on the engine's own thread. */
class EngineRun implements Pending {
  readonly done: Promise<void>;
  readonly #addon: Addon;
  readonly #number: number;
  #over = false;
  #failure: unknown;

  constructor(addon: Addon, number: number, done: Promise<void>) {
    this.#addon = addon;
    this.#number = number;
    const end = (failure?: unknown) => {
      this.#over = true;
      this.#failure = failure;
    };
    this.done = done.then(end, (error) => {
      end(asValueError(error));
      throw this.#failure;
    });
  }

  wait(): void {
    try {
      // A failure is told once through the promise; later readers learn it from here.
      if (!this.#over) this.#addon.wait(this.#number);
    } catch (error) {
      throw asValueError(error);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

interface OutputSpec {
  readonly dtype: DType;
  readonly size: number;
}

/** A program of the engine, with what a run needs to know about its memories. */
class NativeExecutable implements Executable {
  readonly arenaBytes: number;
  readonly #addon: Addon;
  readonly #program: ProgramHandle;
  readonly #outputs: readonly OutputSpec[];
  readonly #shared: readonly TypedArray[];
  readonly #listing: readonly string[];

  constructor(addon: Addon, graph: Graph, codes: EngineCodes) {
    const compiled = compileProgram(graph, codes);
    this.#addon = addon;
    this.#program = addon.createProgram(
      compiled.code,
      compiled.constants,
      compiled.externals,
      compiled.arenaBytes,
    );
    this.#outputs = graph.outputs.map((output) => ({
      dtype: output.dtype,
      size: concreteSize(output.shape),
    }));
    this.#shared = compiled.shared;
    this.#listing = compiled.listing;
    this.arenaBytes = compiled.arenaBytes;
  }

  run(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Storage[] {
    const outputs = this.#allocate(reuse);
    try {
      this.#addon.run(this.#program, ...this.#memories(inputs, outputs));
    } catch (error) {
      throw asValueError(error);
    }
    return outputs;
  }

  runAsync(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Required<RunResult> {
    const outputs = this.#allocate(reuse);
    const [number, done] = this.#addon.runAsync(this.#program, this.#memories(inputs, outputs));
    return { outputs, pending: new EngineRun(this.#addon, number, done) };
  }

  describe(): string {
    return this.#listing.join("\n");
  }

  /** One operation at once: `run` without what only programs with state need. */
  runEagerly(operands: readonly ConcreteTensor[]): Storage[] {
    const memories = new Array<TypedArray>(operands.length + this.#outputs.length);
    for (let i = 0; i < operands.length; i++) memories[i] = cpuArray(operands[i]?.storage);
    const outputs = new Array<Storage>(this.#outputs.length);
    for (let i = 0; i < outputs.length; i++) {
      const spec = this.#outputs[i];
      if (!spec) continue;
      const storage = allocateStorage(spec.dtype, spec.size);
      outputs[i] = storage;
      memories[operands.length + i] = storage.array;
    }
    try {
      this.#addon.run(this.#program, ...memories);
    } catch (error) {
      throw asValueError(error);
    }
    return outputs;
  }

  #allocate(reuse: readonly (Storage | undefined)[]): Storage[] {
    return this.#outputs.map(({ dtype, size }, i) => reuse[i] ?? allocateStorage(dtype, size));
  }

  #memories(inputs: readonly Storage[], outputs: readonly Storage[]): TypedArray[] {
    const memories: TypedArray[] = [];
    for (let i = 0; i < inputs.length; i++) memories.push(cpuArray(inputs[i]));
    for (let i = 0; i < outputs.length; i++) memories.push(cpuArray(outputs[i]));
    for (const array of this.#shared) memories.push(array);
    return memories;
  }
}

function paramKey(param: Param): string {
  if (Array.isArray(param)) return `[${param.map(paramKey).join(",")}]`;
  if (typeof param === "object" && param !== null) {
    return Object.entries(param)
      .map(([key, value]) => `${key}:${paramKey(value as Param)}`)
      .join(";");
  }
  return Object.is(param, -0) ? "-0" : String(param);
}

/** The program an operation ran last: the next one of a loop is nearly always the same, and is known by its very objects. */
interface Recent {
  readonly inputs: readonly { readonly shape: Shape; readonly dtype: DType }[];
  readonly params: Params;
  readonly executable: NativeExecutable;
}

function isSameCall(recent: Recent, inputs: readonly ConcreteTensor[], params: Params): boolean {
  if (recent.params !== params || recent.inputs.length !== inputs.length) return false;
  for (let i = 0; i < inputs.length; i++) {
    const [known, input] = [recent.inputs[i], inputs[i]];
    if (known?.shape !== input?.shape || known?.dtype !== input?.dtype) return false;
  }
  return true;
}

/** What decides which program an eager operation runs. */
function eagerKey(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): string {
  let key = op.name;
  for (const { dtype, shape } of inputs) key += `|${dtype}${shape.join(",")}`;
  for (const name in params) key += `|${name}=${paramKey(params[name])}`;
  return key;
}

function graphOf(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): Graph {
  const builder = new GraphBuilder();
  const values = inputs.map((input) => builder.input(input));
  return builder.finish(builder.add(op, values, params));
}

/** Computes with the C++ engine on the CPU. */
export class NativeBackend implements Backend {
  readonly name = "native";
  readonly threads: Required<Backend>["threads"];
  readonly #addon: Addon;
  readonly #codes: EngineCodes;
  readonly #eager = new Map<string, NativeExecutable>();
  readonly #recent = new Map<Primitive, Recent>();

  constructor(addon: Addon) {
    this.#addon = addon;
    const { instructions, scalars, reductions, givesBool } = addon.ops();
    this.#codes = {
      instructions: new Map(Object.entries(instructions)),
      scalars: new Map(Object.entries(scalars)),
      givesBool: new Set(Object.keys(givesBool).filter((name) => givesBool[name])),
      reductions: new Map(Object.entries(reductions)),
    };
    this.threads = {
      get: () => addon.threads(),
      set: (count) => addon.setThreads(checkThreads(count, count, "setThreads")),
    };
  }

  get description(): string {
    return `C++ engine, ${this.#addon.isa()}, ${this.#addon.threads()} thread(s)`;
  }

  execute(
    op: Primitive,
    inputs: readonly ConcreteTensor[],
    params: Params,
    _outputs: readonly Aval[],
  ): Storage[] {
    // The same elements under another shape: nothing to compute, and storage may be shared because it never changes.
    const [x] = inputs;
    if ((op.name === "reshape" || op.name === "stopGradient") && x) return [x.storage];
    const recent = this.#recent.get(op);
    if (recent && isSameCall(recent, inputs, params)) return recent.executable.runEagerly(inputs);
    const executable = this.#eagerProgram(op, inputs, params);
    const seen = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
    this.#recent.set(op, { inputs: seen, params, executable });
    return executable.runEagerly(inputs);
  }

  #eagerProgram(op: Primitive, inputs: readonly ConcreteTensor[], params: Params): NativeExecutable {
    const key = eagerKey(op, inputs, params);
    let executable = this.#eager.get(key);
    if (!executable) {
      executable = new NativeExecutable(this.#addon, graphOf(op, inputs, params), this.#codes);
      if (this.#eager.size >= maximalEagerPrograms) this.#eager.delete(this.#eager.keys().next().value ?? "");
      this.#eager.set(key, executable);
    }
    return executable;
  }

  hasKernel(op: Primitive, inputs: readonly Aval[], params: Params): boolean {
    return takesFused(op, inputs, params);
  }

  compile(graph: Graph): Executable {
    return new NativeExecutable(this.#addon, graph, this.#codes);
  }
}

/** More threads than this are a mistake: the engine refuses them too. */
const maximalThreads = 1024;

/** The count, if it is a number of threads. Throws ValueError, which says what was received for it, otherwise. */
function checkThreads(count: number, received: unknown, where: string): number {
  if (Number.isSafeInteger(count) && count >= 1 && count <= maximalThreads) return count;
  throw new ValueError(
    `${where}: expected a whole number from 1 to ${maximalThreads}; received ${JSON.stringify(received)}.`,
  );
}

/** NAGARE_THREADS, or as many threads as the process may use processors. Throws ValueError for a count below 1. */
function wantedThreads(): number {
  const wanted = process.env.NAGARE_THREADS;
  if (wanted === undefined || wanted === "") return Math.min(availableParallelism(), maximalThreads);
  return checkThreads(Number(wanted), wanted, "NAGARE_THREADS");
}

/** Loads the engine. Throws NagareError with the reason when it cannot work here. */
export function createBackend(): Backend {
  const addon = loadAddon();
  addon.setDefaultThreads(wantedThreads());
  return new NativeBackend(addon);
}
