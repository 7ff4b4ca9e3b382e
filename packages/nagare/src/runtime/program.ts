/** Specialized functions: a graph, the state it reads and writes, and its executables. */
import {
  bytesOf,
  ConcreteTensor,
  CpuStorage,
  isConcrete,
  NagareError,
  type Pending,
  type Shape,
  type Storage,
} from "../core/index.ts";
import type { Graph, Value } from "../ir/index.ts";
import { currentBackend } from "./devices.ts";
import { withoutPasses } from "./optimize.ts";
import { currentRecording, recorded } from "./profile/index.ts";
import { bindShapes, type Origin, type Specialized, specialize } from "./specialize.ts";
import type { Variable } from "./variable.ts";
import { warmUps } from "./warmUp.ts";

/** How many combinations of symbolic sizes stay compiled: a server meets few, and a hostile client must not fill memory. */
const maximalSpecializations = 64;

/** Bytes that one run of a program takes. */
export interface MemoryUse {
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Constants, also as kernels want them, and variables. */
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
  readonly #compiled = new Map<string, Specialized>();

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
    const weightBytes = weights.reduce((sum, weight) => sum + bytesOf(weight), executable.preparedBytes ?? 0);
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

  /** The storages that a run reads, and those that its outputs may be written over. Called for every run: makes no more. */
  #prepare(compiled: Specialized, inputs: readonly ConcreteTensor[]) {
    const { states, origins, overwrites } = compiled;
    const storages = new Array<Storage>(inputs.length + states.length);
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i];
      if (input) storages[i] = input.storage;
    }
    for (let i = 0; i < states.length; i++) {
      const state = states[i];
      if (state) storages[inputs.length + i] = state.stateStorage();
    }
    // A result that hands out an input's own storage must not see it overwritten, by this very run least of all.
    for (const origin of origins) {
      const storage = origin.kind === "input" ? storages[origin.input] : undefined;
      if (storage) storage.shared = true;
    }
    const reuse = new Array<Storage | undefined>(overwrites.length);
    for (let i = 0; i < overwrites.length; i++) {
      const over = overwrites[i];
      if (typeof over === "number") reuse[i] = ownedAlone(storages, over);
      else if (over?.mayOverwrite) reuse[i] = over.stateStorage();
    }
    return { storages, reuse };
  }

  #giveAway(inputs: readonly ConcreteTensor[]): void {
    for (const index of this.#donated) inputs[index]?.donate(this.name);
  }

  /** Gives the new values to the state that they belong to, and returns the rest. */
  #finish(compiled: Specialized, inputs: readonly Storage[], outputs: readonly Storage[]): ConcreteTensor[] {
    const { origins, assigned, shapes } = compiled;
    const resultCount = origins.length - assigned.length;
    const results = new Array<ConcreteTensor>(resultCount);
    for (let i = 0; i < origins.length; i++) {
      const origin = origins[i];
      const storage = origin && storageOf(origin, inputs, outputs);
      if (!storage) throw new NagareError("A program returned fewer results than its graph has.");
      const variable = i < resultCount ? undefined : assigned[i - resultCount];
      if (!variable) {
        const dtype = this.graph.outputs[i]?.dtype ?? "float32";
        results[i] = new ConcreteTensor(shapes[i] ?? [], dtype, storage);
      } else if (origin.kind === "computed") variable.adopt(storage);
      else variable.assign(new ConcreteTensor(variable.shape, variable.dtype, storage));
    }
    return results;
  }

  #compile(inputs: readonly { readonly shape: Shape }[]): Specialized {
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
    const { states, assigned } = this;
    const graph = bindShapes(this.graph, shapesOf());
    const compiled = recorded("compile", this.name, () =>
      withoutPasses(this.#without, () =>
        specialize({ graph, states, assigned, donated: this.#donated }, backend),
      ),
    );
    this.#compiled.set(key, compiled);
    warmUps.programs.once();
    return compiled;
  }
}

function storageOf(
  origin: Origin,
  inputs: readonly Storage[],
  outputs: readonly Storage[],
): Storage | undefined {
  if (origin.kind === "constant") return origin.storage;
  if (origin.kind === "input") return inputs[origin.input];
  const storage = outputs[origin.output];
  if (storage && origin.repeated) storage.shared = true;
  return storage;
}

/** An input's storage where nobody else has it, neither another handle nor another input of the run. */
function ownedAlone(storages: readonly Storage[], index: number): Storage | undefined {
  const storage = storages[index];
  const alone = storage && !storage.shared && storages.indexOf(storage) === storages.lastIndexOf(storage);
  return alone ? storage : undefined;
}

function markPending(storages: readonly Storage[], pending: Pending): void {
  for (const storage of storages) if (storage instanceof CpuStorage) storage.setPending(pending);
}
