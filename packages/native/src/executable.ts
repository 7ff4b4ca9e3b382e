/** A program of the engine as the framework runs it: at once, off the event loop, observed or not. */
import {
  allocateStorage,
  type ConcreteTensor,
  CpuStorage,
  concreteSize,
  type DType,
  type Executable,
  type Graph,
  type KernelObserver,
  membersOf,
  NagareError,
  type Node,
  type Pending,
  type RunResult,
  type Storage,
  type TypedArray,
  ValueError,
} from "nagare/backend";
import type { Addon, ProgramHandle } from "./addon.ts";
import { compileProgram, type EngineCodes } from "./compile.ts";
import type { PreparedConstants } from "./preparedConstants.ts";

/** Who is told of the kernels' times; the executables of a backend share one. */
export interface Observation {
  observer: KernelObserver | undefined;
  /** What makes a time of the engine's clock one of performance.now(). */
  offset: number;
}

/** Reading two clocks takes a while in between: the reading that took the least tells best how far they are apart. */
export function clockOffset(addon: Addon): number {
  return Math.min(...Array.from({ length: 16 }, () => performance.now() - addon.now()));
}

function cpuArray(storage: Storage | undefined): TypedArray {
  if (!(storage instanceof CpuStorage)) {
    // A donated tensor says so itself.
    storage?.readSync();
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
export class NativeExecutable implements Executable {
  readonly arenaBytes: number;
  readonly lowerBoundBytes: number;
  readonly preparedBytes: number;
  readonly #addon: Addon;
  readonly #program: ProgramHandle;
  readonly #outputs: readonly OutputSpec[];
  readonly #shared: readonly TypedArray[];
  readonly #nodes: readonly Node[];
  readonly #observation: Observation;

  constructor(
    addon: Addon,
    graph: Graph,
    codes: EngineCodes,
    constants: PreparedConstants,
    observation: Observation,
  ) {
    const compiled = compileProgram(graph, codes, constants);
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
    this.#nodes = compiled.nodes;
    this.#observation = observation;
    this.arenaBytes = compiled.arenaBytes;
    this.lowerBoundBytes = compiled.lowerBoundBytes;
    this.preparedBytes = compiled.preparedBytes;
  }

  run(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Storage[] {
    const outputs = this.#allocate(reuse);
    this.#run(this.#memories(inputs, outputs));
    return outputs;
  }

  runAsync(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Required<RunResult> {
    const outputs = this.#allocate(reuse);
    const { observer } = this.#observation;
    const times = observer && this.#newTimes();
    const [number, ended] = this.#addon.runAsync(this.#program, this.#memories(inputs, outputs), times);
    const done = observer && times ? ended.then(() => this.#tell(observer, times)) : ended;
    return { outputs, pending: new EngineRun(this.#addon, number, done) };
  }

  describe(): string {
    // A node may take several instructions, one after the other.
    const nodes = this.#nodes.filter((node, i) => node !== this.#nodes[i - 1]);
    return nodes.map(listingLine).join("\n");
  }

  /** One operation at once: `run` without what only programs with state need. */
  runEagerly(operands: readonly ConcreteTensor[]): Storage[] {
    const [spec] = this.#outputs;
    if (spec && this.#outputs.length === 1 && operands.length <= 2 && !this.#observation.observer) {
      return [this.#runSmall(operands, spec)];
    }
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
    this.#run(memories);
    return outputs;
  }

  /** One or two operands and one result, as nearly all eager operations have: nothing is made but the result. */
  #runSmall(operands: readonly ConcreteTensor[], spec: OutputSpec): Storage {
    const result = allocateStorage(spec.dtype, spec.size);
    try {
      if (operands.length === 2) {
        const [a, b] = [cpuArray(operands[0]?.storage), cpuArray(operands[1]?.storage)];
        this.#addon.run(this.#program, a, b, result.array);
      } else if (operands.length === 1) {
        this.#addon.run(this.#program, cpuArray(operands[0]?.storage), result.array);
      } else {
        this.#addon.run(this.#program, result.array);
      }
    } catch (error) {
      throw asValueError(error);
    }
    return result;
  }

  #run(memories: readonly TypedArray[]): void {
    const { observer } = this.#observation;
    try {
      if (observer) {
        const times = this.#newTimes();
        this.#addon.runTimed(times, this.#program, ...memories);
        this.#tell(observer, times);
      } else {
        this.#addon.run(this.#program, ...memories);
      }
    } catch (error) {
      throw asValueError(error);
    }
  }

  #newTimes(): Float64Array {
    return new Float64Array(2 * this.#nodes.length * (1 + this.#addon.threads()));
  }

  #tell(observer: KernelObserver, times: Float64Array): void {
    const { offset } = this.#observation;
    for (let i = 0; i < times.length; i++) if (times[i] !== 0) times[i] = (times[i] ?? 0) + offset;
    observer(this.#nodes, times);
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

function listingLine(node: Node): string {
  const members = membersOf(node);
  const [first] = members;
  if (first && members.length > 1) return `${members.length} × ${listingLine(first)}`;
  const inner = node.body ? ` (${node.body.nodes.map((part) => part.op.name).join(", ")})` : "";
  return `${node.op.name}${inner} → ${node.outputs.join(", ")}`;
}
