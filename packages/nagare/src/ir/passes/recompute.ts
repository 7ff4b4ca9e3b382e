/** Recomputation: values that are made again where they are read, instead of being written and read back. */
import { bytesOf, concreteSize, isConcrete, sameShape } from "../../core/index.ts";
import { scalarWords } from "../cost.ts";
import { type Graph, type Node, required, Value, withParts } from "../graph.ts";
import { reducedAxes } from "../reductions.ts";
import { eliminateCommonSubexpressions } from "./eliminateCommonSubexpressions.ts";
import { eliminateDeadCode } from "./eliminateDeadCode.ts";
import { type FuseLimits, isElementwise } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/**
 * What arithmetic on one element costs, in bytes that memory moves meanwhile. Measured with the native engine on tensors
 * beyond its caches: 0.03 ns for a sum or a product of a tile, 0.3 to 0.5 ns for a function, 0.06 ns a byte.
 */
const bytesPerOperation = 0.5;
const bytesPerFunction = 8;
const functions: ReadonlySet<string> = new Set([
  ...["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "erf", "pow", "remainder"],
]);

function workOf(node: Node): number {
  const words = node.op.scalar ? scalarWords(node.op.scalar, node.inputs.length) : [node.op.name];
  return words.reduce((sum, word) => sum + (functions.has(word) ? bytesPerFunction : bytesPerOperation), 0);
}

type Chain = Node & { readonly body: Graph };

/** A node that is a chain of elementwise operations, as a fusion. */
function asChain(node: Node | undefined): Chain | undefined {
  if (!node) return undefined;
  const { body, ...fused } = isElementwise(node) ? joinNodes([node], node.outputs) : node;
  return body?.nodes.every(isElementwise) ? { ...fused, body } : undefined;
}

/** What it takes to make some results of a chain while others are read from memory. */
interface Part {
  readonly nodes: readonly Node[];
  /** The values of the body that come from outside of the part, with the values of the graph that they are. */
  readonly leaves: ReadonlyMap<Value, Value>;
}

function partOf(chain: Chain, targets: ReadonlySet<Value>, stored: ReadonlySet<Value>): Part {
  const { body } = chain;
  const outside = new Map<Value, Value>();
  body.inputs.forEach((inner, i) => {
    const outer = chain.inputs[i];
    if (outer) outside.set(inner, outer);
  });
  const wanted = new Set<Value>();
  body.outputs.forEach((inner, i) => {
    const outer = chain.outputs[i];
    if (outer && stored.has(outer)) outside.set(inner, outer);
    if (outer && targets.has(outer)) wanted.add(inner);
  });
  const leaves = new Map<Value, Value>();
  const nodes: Node[] = [];
  for (const node of body.nodes.toReversed()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) {
      const outer = outside.get(input);
      if (outer) leaves.set(input, outer);
      else wanted.add(input);
    }
  }
  return { nodes: nodes.reverse(), leaves };
}

/** The part as a node of its own. */
function partNode(chain: Chain, targets: readonly Value[], { nodes, leaves }: Part): Node {
  const innerOf = new Map(chain.outputs.map((outer, i) => [outer, chain.body.outputs[i] ?? outer]));
  return {
    op: chain.op,
    params: chain.params,
    inputs: [...leaves.values()],
    outputs: targets,
    body: eliminateDeadCode({
      inputs: [...leaves.keys()],
      constants: chain.body.constants,
      nodes,
      outputs: targets.map((target) => required(innerOf, target)),
      aliases: [],
    }),
  };
}

/** Operands of which each element is read so often stay in the cache, most of them in a register from tile to tile. */
const timesKept = 64;

/** What a chain pays for one more operand. Repeating a few times takes a tile as long as reading others. */
function readingCost(leaf: Value, elements: number): number {
  const times = elements / concreteSize(leaf.shape);
  return times >= timesKept ? bytesOf(leaf) : bytesOf(leaf) * times;
}

/** A graph's nodes by place, and who reads each value, while nodes are replaced. Before each reduction there is room for a chain. */
class Places {
  readonly nodes: (Node | undefined)[];
  readonly #readers = new Map<Value, Set<number>>();

  constructor(graph: Graph) {
    this.nodes = graph.nodes.flatMap((node) => (reducedAxes(node) ? [undefined, node] : [node]));
    this.nodes.forEach((node, at) => {
      for (const input of node?.inputs ?? []) this.#readersOf(input).add(at);
    });
  }

  readers(value: Value): readonly number[] {
    return [...this.#readersOf(value)];
  }

  replace(at: number, node: Node | undefined): void {
    for (const input of this.nodes[at]?.inputs ?? []) this.#readersOf(input).delete(at);
    for (const input of node?.inputs ?? []) this.#readersOf(input).add(at);
    this.nodes[at] = node;
  }

  /** Gives the reduction at a place a chain of its own to read. */
  fold(at: number, chain: Node): void {
    const reduction = this.nodes[at];
    if (!reduction) return;
    const outputs = chain.outputs.map((output) => new Value(output));
    this.replace(at - 1, { ...chain, outputs });
    this.replace(at, { ...reduction, inputs: outputs });
  }

  #readersOf(value: Value): Set<number> {
    const known = this.#readers.get(value) ?? new Set();
    this.#readers.set(value, known);
    return known;
  }
}

/** A chain, or a reduction, which has none yet. */
interface Reader {
  readonly at: number;
  readonly chain: Chain | undefined;
}

/** One chain, and what could be left to its readers. */
class Choice {
  readonly chain: Chain;
  readonly readers: ReadonlyMap<Value, readonly Reader[]>;
  readonly #overwritten: ReadonlySet<Value>;

  constructor(chain: Chain, readers: ReadonlyMap<Value, readonly Reader[]>, overwritten: ReadonlySet<Value>) {
    this.chain = chain;
    this.readers = readers;
    this.#overwritten = overwritten;
  }

  /** The values that are best made again: from all candidates, those are taken back whose absence saves more. */
  best(): ReadonlySet<Value> {
    let moved: ReadonlySet<Value> = new Set(this.readers.keys());
    let saved = this.#saved(moved);
    for (;;) {
      const fewer = [...moved].map((value) => new Set([...moved].filter((other) => other !== value)));
      const gains = fewer.map((set) => this.#saved(set));
      const most = Math.max(...gains);
      const next = fewer[gains.indexOf(most)];
      if (!next || most < saved) return moved;
      [moved, saved] = [next, most];
    }
  }

  /** What each reader makes again. */
  parts(
    moved: ReadonlySet<Value>,
  ): { readonly reader: Reader; readonly part: Part; readonly targets: Value[] }[] {
    const stored = new Set(this.chain.outputs.filter((output) => !moved.has(output)));
    const targets = new Map<number, { readonly reader: Reader; readonly targets: Value[] }>();
    for (const value of moved) {
      for (const reader of this.readers.get(value) ?? []) {
        const known = targets.get(reader.at) ?? { reader, targets: [] };
        known.targets.push(value);
        targets.set(reader.at, known);
      }
    }
    return [...targets.values()].map(({ reader, targets }) => ({
      reader,
      targets,
      part: partOf(this.chain, new Set(targets), stored),
    }));
  }

  /** What it takes to make these results, besides writing them. */
  #makingCost(targets: ReadonlySet<Value>): number {
    const elements = concreteSize(this.chain.outputs[0]?.shape ?? []);
    const { nodes, leaves } = partOf(this.chain, targets, new Set());
    const reading = [...new Set(leaves.values())].reduce((sum, leaf) => sum + readingCost(leaf, elements), 0);
    return reading + elements * nodes.reduce((sum, node) => sum + workOf(node), 0);
  }

  /** Bytes that are then not written and not read, and arithmetic not done here, less what the readers read and do instead. */
  #saved(moved: ReadonlySet<Value>): number {
    const { outputs } = this.chain;
    const kept = new Set(outputs.filter((output) => !moved.has(output)));
    let saved = this.#makingCost(new Set(outputs)) - this.#makingCost(kept);
    for (const value of moved) saved += bytesOf(value);
    for (const { reader, part, targets } of this.parts(moved)) {
      const known = new Set(reader.chain?.inputs);
      const fresh = new Set([...part.leaves.values()].filter((leaf) => !known.has(leaf)));
      const elements = concreteSize(targets[0]?.shape ?? []);
      for (const target of targets) saved += bytesOf(target);
      // State that is read later than now cannot be updated in place: it is copied.
      for (const leaf of fresh) saved -= readingCost(leaf, elements) * (this.#overwritten.has(leaf) ? 3 : 1);
      saved -= elements * part.nodes.reduce((sum, node) => sum + workOf(node), 0);
    }
    return saved;
  }
}

/** The readers of a value, where each of them is a reduction or a chain over the same elements with room for `chain`. */
function chainReaders(
  value: Value,
  chain: Chain,
  places: Places,
  limits: FuseLimits,
): readonly Reader[] | undefined {
  const readers: Reader[] = [];
  for (const at of places.readers(value)) {
    const node = places.nodes[at];
    const reader = asChain(node);
    const folds = node !== undefined && reducedAxes(node) !== undefined;
    if (!folds && (!reader || !sameShape(reader.outputs[0]?.shape ?? [], value.shape))) return undefined;
    if ((reader?.body.nodes.length ?? 0) + chain.body.nodes.length > limits.maximalNodes) return undefined;
    const inputs = new Set([...(reader?.inputs ?? []), ...chain.inputs, ...chain.outputs]);
    if (inputs.size > limits.maximalInputs) return undefined;
    readers.push({ at, chain: reader });
  }
  // The only result, for one reduction, is made where it is folded anyway.
  const isFoldedOnly = chain.outputs.length === 1 && readers.length === 1 && !readers[0]?.chain;
  return isFoldedOnly ? undefined : readers;
}

/**
 * Results of elementwise chains that only other chains read, such as what the derivative of an activation needs of its way
 * forward, are made again in the readers where that moves fewer bytes: from the operands of the chain and from those of its
 * results that stay in memory. So is what reductions read, by a chain of its own for each that the `reduce` pass then joins
 * with it. Runs after fusion, on chains from the last to the first, so that a reader that came to need an earlier chain's
 * result can make that again, too.
 */
export function recompute(graph: Graph, limits: FuseLimits): Graph {
  const places = new Places(graph);
  const results = new Set(graph.outputs);
  const overwritten = new Set(graph.aliases.flatMap(({ input }) => graph.inputs[input] ?? []));
  for (let at = places.nodes.length - 1; at >= 0; at--) {
    const chain = asChain(places.nodes[at]);
    if (!chain?.outputs.every(({ shape }) => isConcrete(shape))) continue;
    const candidates = new Map<Value, readonly Reader[]>();
    for (const output of chain.outputs) {
      const readers = results.has(output) ? undefined : chainReaders(output, chain, places, limits);
      if (readers && readers.length > 0) candidates.set(output, readers);
    }
    if (candidates.size === 0) continue;
    const choice = new Choice(chain, candidates, overwritten);
    const moved = choice.best();
    for (const { reader, part, targets } of choice.parts(moved)) {
      const own = partNode(chain, targets, part);
      if (reader.chain) {
        const joined = joinNodes([own, reader.chain], reader.chain.outputs);
        places.replace(reader.at, withBody(joined, joined.body));
      } else {
        places.fold(reader.at, withBody(own, own.body));
      }
    }
    if (moved.size > 0)
      places.replace(
        at,
        keepingOnly(chain, (output) => !moved.has(output)),
      );
  }
  return withParts(graph, { nodes: places.nodes.filter((node) => node !== undefined) });
}

/** The node with its body simplified, and without the operands that the body does not read. */
function withBody(node: Node, body: Graph | undefined): Node {
  if (!body) return node;
  const simple = eliminateDeadCode(eliminateCommonSubexpressions(body));
  const read = new Set([...simple.nodes.flatMap(({ inputs }) => inputs), ...simple.outputs]);
  const used = simple.inputs.map((input) => read.has(input));
  return {
    ...node,
    inputs: node.inputs.filter((_, i) => used[i]),
    body: withParts(simple, { inputs: simple.inputs.filter((_, i) => used[i]) }),
  };
}

/** The chain with some of its results; undefined for none. */
function keepingOnly(chain: Chain, kept: (output: Value) => boolean): Node | undefined {
  const which = chain.outputs.map(kept);
  if (!which.includes(true)) return undefined;
  const outputs = chain.body.outputs.filter((_, i) => which[i]);
  return withBody(
    { ...chain, outputs: chain.outputs.filter((_, i) => which[i]) },
    withParts(chain.body, { outputs }),
  );
}
