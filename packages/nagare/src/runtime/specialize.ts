/** A graph as one backend runs it for inputs of one kind: which state it needs, and where each result comes from. */
import {
  concreteSize,
  type DimBindings,
  dimName,
  evaluateDim,
  formatAval,
  type Shape,
  ShapeError,
  type Storage,
} from "../core/index.ts";
import { type Alias, bindDims, eliminateDeadState, type Graph, type Value, withParts } from "../ir/index.ts";
import type { Backend, Executable } from "./backend.ts";
import { isPassOn, optimize } from "./optimize.ts";
import type { Variable } from "./variable.ts";

/** Where a result comes from: the executable, or straight from an input or a constant, which no kernel touches. */
export type Origin =
  | { readonly kind: "computed"; readonly output: number; readonly repeated?: boolean }
  | { readonly kind: "input"; readonly input: number }
  | { readonly kind: "constant"; readonly storage: Storage };

/** A graph, and which of its inputs and outputs are more than arguments and results. */
export interface Staged {
  readonly graph: Graph;
  /** The variables that the last inputs are. */
  readonly states: readonly Variable[];
  /** The variables that the last outputs become. */
  readonly assigned: readonly Variable[];
  /** The places of inputs that a run may write over. */
  readonly donated: readonly number[];
}

/** A graph made ready for one backend and inputs of certain shapes. */
export interface Specialized {
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

/** The graph with the sizes that inputs of these shapes give it. Throws ShapeError for shapes that do not fit. */
export function bindShapes(graph: Graph, shapes: readonly Shape[]): Graph {
  return bindDims(graph, bindInputs(graph, shapes));
}

/** Optimizes and compiles a graph whose sizes are known. */
export function specialize({ graph, states, assigned, donated }: Staged, backend: Backend): Specialized {
  return compileParts({ ...liveState({ graph: optimize(graph), states, assigned }), donated }, backend);
}

type Stateful = Omit<Staged, "donated">;

function liveState({ graph, states, assigned }: Stateful): Stateful {
  if (!isPassOn("state")) return { graph, states, assigned };
  const live = eliminateDeadState(
    graph,
    graph.inputs.length - states.length,
    graph.outputs.length - assigned.length,
  );
  return {
    graph: live.graph,
    states: live.read.flatMap((i) => states[i] ?? []),
    assigned: live.written.flatMap((i) => assigned[i] ?? []),
  };
}

function compileParts({ graph, states, assigned, donated }: Staged, backend: Backend): Specialized {
  const inputIndex = new Map(graph.inputs.map((input, i) => [input, i]));
  const computed: Value[] = [];
  const overwrites: (Variable | number | undefined)[] = [];
  const aliases: Alias[] = [];
  const firstState = graph.inputs.length - states.length;
  const resultCount = graph.outputs.length - assigned.length;
  // A donated input that is itself a result has a reader: whoever gets the result.
  const free = donated.filter((index) => !graph.outputs.some((value) => value === graph.inputs[index]));
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
    const place = variable ? -1 : free.findIndex((index) => fits(graph.inputs[index], value));
    const over = variable ? firstState + states.indexOf(variable) : free.splice(place, place < 0 ? 0 : 1)[0];
    overwrites.push(variable ?? over);
    if (over !== undefined && earlier < 0) aliases.push({ output, input: over });
    return { kind: "computed", output };
  });
  return {
    executable: backend.compile(withParts(graph, { outputs: computed, aliases })),
    states,
    assigned,
    origins,
    shapes: graph.outputs.map((output) => output.shape),
    overwrites,
  };
}

/** Whether a result can be written over an operand: same dtype, same number of elements. */
function fits(input: Value | undefined, result: Value): boolean {
  return input?.dtype === result.dtype && concreteSize(input.shape) === concreteSize(result.shape);
}
