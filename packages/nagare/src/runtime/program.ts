/** Compiled functions: a graph, the state it reads and writes, and its executables. */
import {
  bytesOf,
  ConcreteTensor,
  CpuStorage,
  concreteSize,
  type DimBindings,
  dimName,
  evaluateDim,
  formatAval,
  isConcrete,
  NagareError,
  type Pending,
  type Shape,
  ShapeError,
  type Storage,
} from "../core/index.ts";
import { type Alias, bindDims, eliminateDeadState, type Graph, type Value, withParts } from "../ir/index.ts";
import type { Executable } from "./backend.ts";
import { currentBackend } from "./devices.ts";
import { isPassOn, optimize, withoutPasses } from "./optimize.ts";
import { currentRecording, recorded } from "./profile/index.ts";
import type { Variable } from "./variable.ts";

/** Where a result comes from: the executable, or straight from an input or a constant, which no kernel touches. */
type Origin =
  | { readonly kind: "computed"; readonly output: number; readonly repeated?: boolean }
  | { readonly kind: "input"; readonly input: number }
  | { readonly kind: "constant"; readonly storage: Storage };

/** How many combinations of symbolic sizes stay compiled: a server meets few, and a hostile client must not fill memory. */
const maximalSpecializations = 64;

interface Compiled {
  readonly executable: Executable;
  /** The state that it reads and writes: what would be given back as it was is left alone. */
  readonly states: readonly Variable[];
  readonly assigned: readonly Variable[];
  readonly origins: readonly Origin[];
  readonly shapes: readonly Shape[];
  /** For each computed output, the state, or the place of the donated input, whose storage it may be written over. */
  readonly overwrites: readonly (Variable | number | undefined)[];
}

/** The sizes of the symbolic dimensions, from the shapes of the inputs of one call. */
function bindInputs(graph: Graph, shapes: readonly Shape[]): DimBindings {
  const bindings = new Map<string, number>();
  graph.inputs.forEach((input, i) => {
    input.shape.forEach((d, axis) => {
      const name = dimName(d);
      const size = shapes[i]?.[axis];
      if (name !== undefined && typeof size === "number" && !bindings.has(name)) bindings.set(name, size);
    });
  });
  graph.inputs.forEach((input, i) => {
    const given = shapes[i] ?? [];
    const fits =
      given.length === input.shape.length &&
      input.shape.every((d, k) => evaluateDim(d, bindings) === given[k]);
    if (!fits) {
      throw new ShapeError(
        `Input ${i}: expected ${formatAval(input)}; received the shape [${given.map(String).join(", ")}].`,
      );
    }
  });
  return bindings;
}

/** Bytes that one run of a program takes. */
export interface MemoryUse {
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Constants and variables. */
  readonly weightBytes: number;
  /** Intermediate values, at the moment when most of them are alive. */
  readonly arenaBytes: number;
  /** All of these. */
  readonly peakBytes: number;
}

/** What a program is beside its graph. */
export interface ProgramOptions {
  /** The variables that the last inputs are, and those that the last outputs become. */
  readonly states?: readonly Variable[];
  readonly assigned?: readonly Variable[];
  /** The places of inputs that each run may write over; their handles are of no use afterwards. */
  readonly donated?: readonly number[];
  /** What profiles call it. */
  readonly name?: string;
  /** Passes that it is compiled without. */
  readonly without?: readonly string[];
}

/**
 * A graph that runs. The last inputs are the values of `states`, the last outputs the new values of `assigned`.
 * Graphs with symbolic dimensions are compiled once for each combination of sizes that is met.
 */
export class Program {
  readonly graph: Graph;
  readonly name: string;
  readonly states: readonly Variable[];
  readonly assigned: readonly Variable[];
  readonly #donated: readonly number[];
  readonly #without: readonly string[];
  readonly #symbolic: boolean;
  readonly #compiled = new Map<string, Compiled>();

  constructor(
    graph: Graph,
    { states = [], assigned = [], donated = [], name = "program", without = [] }: ProgramOptions = {},
  ) {
    this.graph = graph;
    this.name = name;
    this.states = states;
    this.assigned = assigned;
    this.#donated = donated;
    this.#without = without;
    this.#symbolic = graph.inputs.some((input) => !isConcrete(input.shape));
  }

  /** What the backend will do for these inputs: one line an instruction, where the backend says so. */
  describe(inputs: readonly ConcreteTensor[]): string {
    return this.#compile(inputs).executable.describe?.() ?? "";
  }

  /** What a run on inputs of these shapes takes. Throws ShapeError for shapes that do not fit. */
  memoryUse(inputs: readonly { readonly shape: Shape }[]): MemoryUse {
    const { executable, shapes } = this.#compile(inputs);
    const total = (values: readonly Value[], sizes: readonly Shape[]): number =>
      values.reduce((sum, { dtype }, i) => sum + bytesOf({ dtype, shape: sizes[i] ?? [] }), 0);
    const results = this.graph.outputs.length - this.assigned.length;
    const weights = [...this.graph.constants.keys(), ...this.states];
    const inputBytes = total(
      this.graph.inputs.slice(0, inputs.length),
      inputs.map(({ shape }) => shape),
    );
    const outputBytes = total(this.graph.outputs.slice(0, results), shapes);
    const weightBytes = weights.reduce((sum, weight) => sum + bytesOf(weight), 0);
    const arenaBytes = executable.arenaBytes ?? 0;
    return {
      inputBytes,
      outputBytes,
      weightBytes,
      arenaBytes,
      peakBytes: inputBytes + outputBytes + weightBytes + arenaBytes,
    };
  }

  /** Runs to the end; results are in the order of the graph's outputs, without the state. */
  run(inputs: readonly ConcreteTensor[]): ConcreteTensor[] {
    const recording = currentRecording();
    const start = recording ? performance.now() : 0;
    const compiled = this.#compile(inputs);
    const { storages, reuse } = this.#prepare(compiled, inputs);
    const outputs = compiled.executable.run(storages, reuse);
    this.#giveAway(inputs);
    const results = this.#finish(compiled, storages, outputs);
    recording?.call("program", this.name, start);
    return results;
  }

  /**
   * Starts a run off the event loop and resolves when it is over. State holds the new values at once, as far as any
   * reader can tell: who reads it earlier waits.
   */
  async runAsync(inputs: readonly ConcreteTensor[]): Promise<ConcreteTensor[]> {
    const recording = currentRecording();
    const start = recording ? performance.now() : 0;
    const compiled = this.#compile(inputs);
    if (!compiled.executable.runAsync) return this.run(inputs);
    const { storages, reuse } = this.#prepare(compiled, inputs);
    const { outputs, pending } = compiled.executable.runAsync(storages, reuse);
    this.#giveAway(inputs);
    markPending(outputs, pending);
    const earlier = compiled.assigned.map((variable) => variable.stateStorage());
    const results = this.#finish(compiled, storages, outputs);
    recording?.call("program", `start ${this.name}`, start);
    try {
      await pending.done;
    } catch (error) {
      // State that was to be written elsewhere goes back to what it was: a failed step must not lose it.
      compiled.assigned.forEach((variable, i) => {
        const before = earlier[i];
        if (before && before !== variable.stateStorage() && outputs.includes(variable.stateStorage())) {
          variable.assign(new ConcreteTensor(variable.shape, variable.dtype, before));
        }
      });
      throw error;
    }
    return results;
  }

  #prepare(compiled: Compiled, inputs: readonly ConcreteTensor[]) {
    const storages: Storage[] = new Array(inputs.length + compiled.states.length);
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i];
      if (input) storages[i] = input.storage;
    }
    for (let i = 0; i < compiled.states.length; i++) {
      const state = compiled.states[i];
      if (state) storages[inputs.length + i] = state.stateStorage();
    }
    // A result that hands out an input's own storage must not see it overwritten, by this very run least of all.
    for (const origin of compiled.origins) {
      const storage = origin.kind === "input" ? storages[origin.input] : undefined;
      if (storage) storage.shared = true;
    }
    const reuse = compiled.overwrites.map((over) => {
      if (typeof over === "number") return ownedAlone(storages, over);
      return over?.mayOverwrite ? over.stateStorage() : undefined;
    });
    return { storages, reuse };
  }

  #giveAway(inputs: readonly ConcreteTensor[]): void {
    for (const index of this.#donated) inputs[index]?.donate(this.name);
  }

  #finish(compiled: Compiled, inputs: readonly Storage[], outputs: readonly Storage[]): ConcreteTensor[] {
    const storages = compiled.origins.map((origin): Storage => {
      const storage =
        origin.kind === "computed"
          ? outputs[origin.output]
          : origin.kind === "input"
            ? inputs[origin.input]
            : origin.storage;
      if (!storage) throw new NagareError("A program returned fewer results than its graph has.");
      if (origin.kind === "computed" && origin.repeated) storage.shared = true;
      return storage;
    });
    const resultCount = compiled.origins.length - compiled.assigned.length;
    compiled.assigned.forEach((variable, i) => {
      const storage = storages[resultCount + i];
      if (!storage) return;
      if (compiled.origins[resultCount + i]?.kind === "computed") variable.adopt(storage);
      else variable.assign(new ConcreteTensor(variable.shape, variable.dtype, storage));
    });
    return storages.slice(0, resultCount).map((storage, i) => {
      const value = this.graph.outputs[i];
      return new ConcreteTensor(compiled.shapes[i] ?? [], value?.dtype ?? "float32", storage);
    });
  }

  #compile(inputs: readonly { readonly shape: Shape }[]): Compiled {
    const backend = currentBackend();
    const shapesOf = () => [...inputs, ...this.states].map((input) => input.shape);
    const key = this.#symbolic ? `${backend.name}:${shapesOf().join(";")}` : backend.name;
    const known = this.#compiled.get(key);
    if (known) {
      // Only symbolic graphs have several: the most recently used stay.
      if (this.#symbolic) {
        this.#compiled.delete(key);
        this.#compiled.set(key, known);
      }
      return known;
    }
    if (this.#compiled.size >= maximalSpecializations) {
      this.#compiled.delete(this.#compiled.keys().next().value ?? "");
    }
    const bound = bindDims(this.graph, bindInputs(this.graph, shapesOf()));
    const compiled = recorded("compile", this.name, () =>
      withoutPasses(this.#without, () => this.#build(optimize(bound), backend.compile.bind(backend))),
    );
    this.#compiled.set(key, compiled);
    return compiled;
  }

  #liveState(graph: Graph): Pick<Compiled, "states" | "assigned"> & { readonly graph: Graph } {
    const { states, assigned } = this;
    if (!isPassOn("state")) return { graph, states, assigned };
    const [argumentCount, resultCount] = [
      graph.inputs.length - states.length,
      graph.outputs.length - assigned.length,
    ];
    const live = eliminateDeadState(graph, argumentCount, resultCount);
    return {
      graph: live.graph,
      states: live.read.flatMap((i) => states[i] ?? []),
      assigned: live.written.flatMap((i) => assigned[i] ?? []),
    };
  }

  #build(optimized: Graph, compile: (graph: Graph) => Executable): Compiled {
    const { graph, states, assigned } = this.#liveState(optimized);
    const inputIndex = new Map(graph.inputs.map((input, i) => [input, i]));
    const computed: Value[] = [];
    const overwrites: (Variable | number | undefined)[] = [];
    const aliases: Alias[] = [];
    const firstState = graph.inputs.length - states.length;
    const resultCount = graph.outputs.length - assigned.length;
    // A donated input that is itself a result has a reader: whoever gets the result.
    const free = this.#donated.filter(
      (index) => !graph.outputs.some((value) => value === graph.inputs[index]),
    );
    const origins = graph.outputs.map((value, i): Origin => {
      const input = inputIndex.get(value);
      if (input !== undefined) return { kind: "input", input };
      const constant = graph.constants.get(value);
      if (constant) return { kind: "constant", storage: constant.storage };
      const variable = assigned[i - resultCount];
      const earlier = computed.indexOf(value);
      // A variable owns its storage alone: a value that is also a result, or assigned twice, is written to each place.
      if (earlier >= 0 && !variable) return { kind: "computed", output: earlier, repeated: true };
      const output = computed.push(value) - 1;
      const donated = variable ? -1 : free.findIndex((index) => fits(graph.inputs[index], value));
      const over = variable
        ? firstState + states.indexOf(variable)
        : free.splice(donated, donated < 0 ? 0 : 1)[0];
      overwrites.push(variable ?? over);
      if (over !== undefined && earlier < 0) aliases.push({ output, input: over });
      return { kind: "computed", output };
    });
    return {
      executable: compile(withParts(graph, { outputs: computed, aliases })),
      states,
      assigned,
      origins,
      shapes: graph.outputs.map((output) => output.shape),
      overwrites,
    };
  }
}

/** An input's storage where nobody else has it, neither another handle nor another input of the run. */
function ownedAlone(storages: readonly Storage[], index: number): Storage | undefined {
  const storage = storages[index];
  const alone = storage && !storage.shared && storages.indexOf(storage) === storages.lastIndexOf(storage);
  return alone ? storage : undefined;
}

/** Whether a result can be written over an operand: same dtype, same number of elements. */
function fits(input: Value | undefined, result: Value): boolean {
  return input?.dtype === result.dtype && concreteSize(input.shape) === concreteSize(result.shape);
}

function markPending(storages: readonly Storage[], pending: Pending): void {
  for (const storage of storages) if (storage instanceof CpuStorage) storage.setPending(pending);
}
