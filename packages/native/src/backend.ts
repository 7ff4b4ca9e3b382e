/** The native backend: graphs become programs of the engine; eager operations are programs of one instruction, kept. */
import {
  allocateStorage,
  type Aval,
  type Backend,
  type ConcreteTensor,
  concreteSize,
  CpuStorage,
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
  type Storage,
  type TypedArray,
} from "nagare/backend";
import { type Addon, loadAddon, type ProgramHandle } from "./addon.ts";
import { compileProgram, type EngineCodes } from "./compile.ts";

/** Eager programs that are kept; the oldest make room. */
const maximalEagerPrograms = 4096;

function cpuArray(storage: Storage | undefined): TypedArray {
  if (!(storage instanceof CpuStorage)) {
    throw new NagareError(`The native backend computes on the CPU; received ${storage?.device ?? "no storage"}.`);
  }
  return storage.array;
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
  readonly #listing: readonly string[];

  constructor(addon: Addon, graph: Graph, codes: EngineCodes) {
    const compiled = compileProgram(graph, codes);
    this.#addon = addon;
    this.#program = addon.createProgram(compiled.code, compiled.constants, compiled.externals, compiled.arenaBytes);
    this.#outputs = graph.outputs.map((output) => ({ dtype: output.dtype, size: concreteSize(output.shape) }));
    this.#listing = compiled.listing;
    this.arenaBytes = compiled.arenaBytes;
  }

  run(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Storage[] {
    const outputs = this.#allocate(reuse);
    this.#addon.run(this.#program, ...this.#memories(inputs, outputs));
    return outputs;
  }

  runAsync(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Required<RunResult> {
    const outputs = this.#allocate(reuse);
    const [number, done] = this.#addon.runAsync(this.#program, this.#memories(inputs, outputs));
    const pending: Pending = { done, wait: () => this.#addon.wait(number) };
    return { outputs, pending };
  }

  describe(): string {
    return this.#listing.join("\n");
  }

  #allocate(reuse: readonly (Storage | undefined)[]): Storage[] {
    return this.#outputs.map(({ dtype, size }, i) => reuse[i] ?? allocateStorage(dtype, size));
  }

  #memories(inputs: readonly Storage[], outputs: readonly Storage[]): TypedArray[] {
    const memories = new Array<TypedArray>(inputs.length + outputs.length);
    for (let i = 0; i < inputs.length; i++) memories[i] = cpuArray(inputs[i]);
    for (let i = 0; i < outputs.length; i++) memories[inputs.length + i] = cpuArray(outputs[i]);
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

  constructor(addon: Addon) {
    this.#addon = addon;
    const { instructions, scalars, reductions } = addon.ops();
    this.#codes = {
      instructions: new Map(Object.entries(instructions)),
      scalars: new Map(Object.entries(scalars)),
      reductions: new Map(Object.entries(reductions)),
    };
    this.threads = { get: () => addon.threads(), set: (count) => addon.setThreads(count) };
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
    const key = eagerKey(op, inputs, params);
    let executable = this.#eager.get(key);
    if (!executable) {
      executable = new NativeExecutable(this.#addon, graphOf(op, inputs, params), this.#codes);
      if (this.#eager.size >= maximalEagerPrograms) this.#eager.delete(this.#eager.keys().next().value ?? "");
      this.#eager.set(key, executable);
    }
    return executable.run(
      inputs.map((input) => input.storage),
      [],
    );
  }

  compile(graph: Graph): Executable {
    return new NativeExecutable(this.#addon, graph, this.#codes);
  }
}

/** Loads the engine. Throws NagareError with the reason when it cannot work here. */
export function createBackend(): Backend {
  return new NativeBackend(loadAddon());
}
