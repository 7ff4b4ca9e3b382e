/** The dataflow graph: what tracing records, passes rewrite, backends compile and saved models hold. */
import { type Aval, ConcreteTensor, formatAval, NagareError } from "../core/index.ts";
import type { Params, Primitive } from "../ops/index.ts";

const ownHandles = new WeakMap<ConcreteTensor, ConcreteTensor>();

/** The handle that all graphs have of a constant: they do not notice when the one they were given is donated. */
function ownHandle(tensor: ConcreteTensor): ConcreteTensor {
  const known = ownHandles.get(tensor);
  const { shape, dtype, storage } = tensor;
  if (known?.storage === storage) return known;
  storage.shared = true;
  const own = new ConcreteTensor(shape, dtype, storage);
  ownHandles.set(tensor, own).set(own, own);
  return own;
}

/** One tensor in a graph: an input, a constant or the result of a node. Compared by identity. */
export class Value implements Aval {
  readonly shape: Aval["shape"];
  readonly dtype: Aval["dtype"];

  constructor(aval: Aval) {
    this.shape = aval.shape;
    this.dtype = aval.dtype;
  }

  toString(): string {
    return formatAval(this);
  }
}

/** One application of an operation. */
export interface Node {
  readonly op: Primitive;
  readonly inputs: readonly Value[];
  readonly params: Params;
  readonly outputs: readonly Value[];
  /** The elementwise operations that run as one pass over memory; only on nodes that the fuse pass made. */
  readonly body?: Graph;
}

/** An output that may be written over an input: the input is not needed afterwards (donated arguments, state). */
export interface Alias {
  readonly output: number;
  readonly input: number;
}

/** A function as data: nodes in an order in which every value is made before it is used. Immutable. */
export interface Graph {
  readonly inputs: readonly Value[];
  readonly constants: ReadonlyMap<Value, ConcreteTensor>;
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
  readonly aliases: readonly Alias[];
}

/** The graph with some parts replaced. */
export function withParts(graph: Graph, parts: Partial<Graph>): Graph {
  return { ...graph, ...parts };
}

/** The node that makes each value; inputs and constants have none. */
export function producers(graph: Graph): Map<Value, Node> {
  const result = new Map<Value, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) result.set(output, node);
  return result;
}

/** How many times each value is read, by nodes and as an output. */
export function useCounts(graph: Graph): Map<Value, number> {
  const counts = new Map<Value, number>();
  const count = (value: Value) => counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(count);
  graph.outputs.forEach(count);
  return counts;
}

/** The nodes that read each value, in order, each once. */
export function readersByValue(graph: Graph): Map<Value, Node[]> {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      const known = readers.get(input);
      if (known) known.push(node);
      else readers.set(input, [node]);
    }
  }
  return readers;
}

/** Collects nodes in order; what tracing and passes write graphs with. */
export class GraphBuilder {
  readonly inputs: Value[] = [];
  readonly constants = new Map<Value, ConcreteTensor>();
  readonly nodes: Node[] = [];
  readonly #constantOf = new Map<ConcreteTensor, Value>();

  input(aval: Aval): Value {
    const value = new Value(aval);
    this.inputs.push(value);
    return value;
  }

  /** The value of a concrete tensor; one value for each tensor. */
  constant(tensor: ConcreteTensor): Value {
    const own = ownHandle(tensor);
    let value = this.#constantOf.get(own);
    if (!value) {
      value = new Value(own);
      this.#constantOf.set(own, value);
      this.constants.set(value, own);
    }
    return value;
  }

  /** Adds a node; the operation's own rule says what it makes, and throws when the operands do not fit. */
  add(op: Primitive, inputs: readonly Value[], params: Params): readonly Value[] {
    const outputs = op.abstract(inputs, params).map((aval) => new Value(aval));
    this.nodes.push({ op, inputs, params, outputs });
    return outputs;
  }

  finish(outputs: readonly Value[], aliases: readonly Alias[] = []): Graph {
    return { inputs: this.inputs, constants: this.constants, nodes: this.nodes, outputs, aliases };
  }
}

/** A lookup that must succeed, because the verifier or the order of nodes guarantees it. */
export function required<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new NagareError("A graph refers to a value that nothing defines.");
  return value;
}
