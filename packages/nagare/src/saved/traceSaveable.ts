/** From a module or function to the graphs and weights that are saved. */
import {
  type Aval,
  type ConcreteTensor,
  checkDType,
  checkShape,
  type Dim,
  type DType,
  parseDim,
  Tensor,
  ValueError,
} from "../core/index.ts";
import { eliminateDeadCode, type Graph, type Value, withParts } from "../ir/index.ts";
import { Module } from "../nn/index.ts";
import type { Variable } from "../runtime/index.ts";
import { traceGraph } from "../transforms/index.ts";
import type { NamedGraph } from "./graphJson.ts";
import type { Json } from "./json.ts";
import { defaultSignature } from "./loadedModel.ts";

/** What can be saved: a module, or a function of tensors that returns a tensor or tensors by name. */
export type Saveable = Module | ((...inputs: Tensor[]) => Tensor | Readonly<Record<string, Tensor>>);

/** An input of a saved function: its shape, with text such as "batch" for sizes that stay free. */
export interface InputSpec {
  readonly shape: readonly (number | string | symbol)[];
  /** Default "float32". */
  readonly dtype?: DType;
}

/** Options of `save`. */
export interface SaveOptions {
  /**
   * The inputs by name, in the order in which the module or function takes them. Default for a module: those it was first
   * called with, their first axis free and called "batch", named "x" (or "x0", "x1" …).
   */
  readonly inputs?: Readonly<Record<string, InputSpec>>;
  /** The name of the output, when it is a single tensor. Default "y". */
  readonly output?: string;
  /** Further functions, by the names of their signatures, beside "serving_default". They share weights. */
  readonly signatures?: Readonly<
    Record<string, { readonly call: Saveable; readonly inputs: Readonly<Record<string, InputSpec>> }>
  >;
  /** Anything that is to be found with the model again, such as the labels of its classes: plain JSON. */
  readonly metadata?: Readonly<Record<string, Json>>;
}

/** Traces every signature. Throws ValueError when inputs are not known, or when a function assigns to variables. */
export function traceSaveable(
  model: Saveable,
  options: SaveOptions,
): { graphs: Map<string, NamedGraph>; weights: Map<string, ConcreteTensor> } {
  const names = new WeightNames();
  const graphs = new Map<string, NamedGraph>();
  const output = options.output ?? "y";
  graphs.set(defaultSignature, traceOne(model, options.inputs ?? builtInputs(model), output, names));
  for (const [name, { call, inputs }] of Object.entries(options.signatures ?? {})) {
    graphs.set(name, traceOne(call, inputs, output, names));
  }
  return { graphs, weights: names.weights };
}

/** The inputs a module was built for, with a free first axis. */
function builtInputs(model: Saveable): Readonly<Record<string, InputSpec>> {
  const avals = model instanceof Module ? model.builtFor : undefined;
  if (!avals) {
    throw new ValueError(
      "save: the shapes of the inputs are not known. Call the module once before saving it, or pass { inputs: { x: { shape: " +
        '["batch", 28, 28, 1] } } }.',
    );
  }
  const single = avals.length === 1;
  return Object.fromEntries(
    avals.map(({ shape, dtype }, i) => [
      single ? "x" : `x${i}`,
      { shape: shape.map((d, axis) => (axis === 0 ? "batch" : d)), dtype },
    ]),
  );
}

function inputAval(name: string, { shape, dtype = "float32" }: InputSpec): Aval {
  const where = `save: input ${name}`;
  const sizes = shape.map((d): Dim => (typeof d === "string" ? parseDim(d) : d));
  return { shape: checkShape(sizes, where), dtype: checkDType(dtype, where) };
}

function traceOne(
  model: Saveable,
  inputs: Readonly<Record<string, InputSpec>>,
  output: string,
  names: WeightNames,
): NamedGraph {
  const avals = Object.entries(inputs).map(([name, spec]) => inputAval(name, spec));
  const traced = traceGraph(avals, (xs) => {
    const result = model instanceof Module ? model.callAll(xs, { training: false }) : model(...xs);
    const named = result instanceof Tensor ? { [output]: result } : result;
    return { outputs: Object.values(named), result: Object.keys(named) };
  });
  const [assigned] = traced.assigned;
  if (assigned) {
    throw new ValueError(
      `save: the function assigns to the variable ${assigned.name}; a saved model keeps no state. Return the value instead.`,
    );
  }
  names.add(model, traced.states);
  const graph = eliminateDeadCode(withConstantState(traced.graph, traced.states));
  for (const tensor of graph.constants.values()) names.of(tensor);
  return { graph, inputs: Object.keys(inputs), outputs: traced.result };
}

/** The graph with the present values of its state as constants. */
function withConstantState(graph: Graph, states: readonly Variable[]): Graph {
  const firstState = graph.inputs.length - states.length;
  const constants = new Map<Value, ConcreteTensor>(graph.constants);
  states.forEach((state, i) => {
    const input = graph.inputs[firstState + i];
    if (input) constants.set(input, state.value as ConcreteTensor);
  });
  return withParts(graph, { inputs: graph.inputs.slice(0, firstState), constants });
}

/** Names for constants: a module's variables by their paths, others by the variable's name, the rest by number. */
class WeightNames {
  /** Every constant that any graph reads. Scalars are written into the graph itself. */
  readonly weights = new Map<string, ConcreteTensor>();
  readonly #wanted = new Map<Tensor, string>();
  readonly #known = new Map<Tensor, string>();

  /** Notes what the values of these variables are to be called. */
  add(model: Saveable, states: readonly Variable[]): void {
    const paths = new Map(
      model instanceof Module ? model.namedVariables().map(({ path, variable }) => [variable, path]) : [],
    );
    for (const state of states) this.#wanted.set(state.value, paths.get(state) ?? state.name);
  }

  /** The name of a constant, made when it is met first. */
  of(tensor: ConcreteTensor): void {
    if (tensor.rank === 0 || this.#known.has(tensor)) return;
    const wanted = this.#wanted.get(tensor) ?? `constant${this.#known.size}`;
    let name = wanted;
    for (let i = 1; this.weights.has(name); i++) name = `${wanted}_${i}`;
    this.#known.set(tensor, name);
    this.weights.set(name, tensor);
  }
}
