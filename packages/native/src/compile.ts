/** From a graph to a program: where every value lives, and the instructions in order. */
import {
  type ConcreteTensor,
  concreteSize,
  type Graph,
  type Node,
  planMemory,
  required,
  type TypedArray,
  UnsupportedError,
  type Value,
} from "nagare/backend";
import { InstructionWriter, type Place } from "./instructions.ts";
import { legalize } from "./legalize.ts";
import { lowerElementwise } from "./lower/elementwise.ts";
import { type Lowering, type LoweringContext, scalarElement } from "./lower/lowering.ts";
import { movement, writeDenseCopy } from "./lower/movement.ts";
import { sums } from "./lower/sums.ts";

/** A compiled graph, ready for the engine. Memories of a run: the inputs, then the outputs. */
export interface CompiledProgram {
  readonly code: Int32Array;
  readonly constants: readonly TypedArray[];
  readonly externals: number;
  readonly arenaBytes: number;
  /** The instructions by name, in order. */
  readonly listing: readonly string[];
}

/** The codes of the engine, by name. */
export interface EngineCodes {
  readonly instructions: ReadonlyMap<string, number>;
  readonly scalars: ReadonlyMap<string, number>;
  readonly reductions: ReadonlyMap<string, number>;
}

const lowerings: { readonly [name: string]: Lowering } = { ...movement, ...sums };

/** Operations that only look at their operand's elements in another way. */
function isView(node: Node): boolean {
  return node.op.name === "reshape";
}

function lower(node: Node, context: LoweringContext): void {
  const { op } = node;
  if (isView(node)) return;
  const lowering = lowerings[op.name];
  if (lowering) lowering(node, context);
  else if (node.body || op.scalar || op.name === "convert" || op.name === "stopGradient") {
    lowerElementwise(node, context);
  } else {
    throw new UnsupportedError(
      `The native backend has no kernel for ${op.name}. Use ng.setBackend("reference") for it.`,
    );
  }
}

/** Each value's memory: the value itself, or the one it is a view of. */
function viewRoots(graph: Graph): (value: Value) => Value {
  const roots = new Map<Value, Value>();
  const root = (value: Value): Value => roots.get(value) ?? value;
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (isView(node) && input && output) roots.set(output, root(input));
  }
  return root;
}

/**
 * Which outputs are written in place, where the graph's aliases let them: nothing may read the overwritten input after
 * the output is made. The node that makes it may, if it is elementwise and reads each element before it writes it.
 */
function outputHolders(graph: Graph, root: (value: Value) => Value): Map<Value, number> {
  const madeAt = new Map<Value, number>();
  const lastRead = new Map<Value, number>();
  graph.nodes.forEach((node, time) => {
    for (const input of node.inputs) lastRead.set(root(input), time);
    for (const output of node.outputs) if (!isView(node)) madeAt.set(output, time);
  });
  const aliases = new Map(graph.aliases.map(({ output, input }) => [output, input]));
  const holders = new Map<Value, number>();
  graph.outputs.forEach((value, index) => {
    const made = madeAt.get(value);
    if (made === undefined || holders.has(value)) return;
    const alias = aliases.get(index);
    const overwritten = alias === undefined ? undefined : graph.inputs[alias];
    const read = overwritten && lastRead.get(overwritten);
    const node = graph.nodes[made];
    const elementwise = node !== undefined && (node.body !== undefined || node.op.scalar !== undefined);
    const sameLayout = !node?.inputs.some((input) => root(input) === overwritten && input !== overwritten);
    const free = read === undefined || read < made || (read === made && elementwise && sameLayout);
    if (free) holders.set(value, index);
  });
  return holders;
}

/** Compiles a graph whose dimensions are numbers. Throws UnsupportedError for an operation without a kernel. */
export function compileProgram(source: Graph, codes: EngineCodes): CompiledProgram {
  const graph = legalize(source);
  const root = viewRoots(graph);
  const holders = outputHolders(graph, root);
  const inputIndex = new Map(graph.inputs.map((input, i) => [input, i]));
  const constantIndex = new Map([...graph.constants.keys()].map((value, i) => [value, i]));
  const firstInput = 1 + graph.constants.size;
  const firstOutput = firstInput + graph.inputs.length;

  const inArena = (value: Value): boolean => !holders.has(value);
  const plan = planMemory(graph, inArena, (node) => (isView(node) ? node.inputs[0] : undefined));
  const place = (value: Value): Place => {
    const memory = root(value);
    const output = holders.get(memory);
    if (output !== undefined) return { base: firstOutput + output, offset: 0 };
    const input = inputIndex.get(memory);
    if (input !== undefined) return { base: firstInput + input, offset: 0 };
    const constant = constantIndex.get(memory);
    if (constant !== undefined) return { base: 1 + constant, offset: 0 };
    return { base: 0, offset: required(plan.offsets, memory) };
  };

  const writer = new InstructionWriter(codes.instructions);
  const context: LoweringContext = {
    writer,
    scalarOps: codes.scalars,
    reductions: codes.reductions,
    place,
    scalarOf: (value) => {
      const tensor = graph.constants.get(value);
      return tensor && concreteSize(tensor.shape) === 1 ? scalarElement(tensor) : undefined;
    },
  };
  const listing: string[] = [];
  for (const node of graph.nodes) {
    const before = writer.count;
    lower(node, context);
    if (writer.count > before) listing.push(listingLine(node));
  }
  graph.outputs.forEach((value, index) => {
    if (holders.get(value) === index) return;
    const to = { base: firstOutput + index, offset: 0 };
    writeDenseCopy(context, value.dtype, concreteSize(value.shape), place(value), to);
    listing.push("copy");
  });
  return {
    code: writer.finish(),
    constants: [...graph.constants.values()].map((tensor: ConcreteTensor) => tensor.storage.readSync()),
    externals: graph.inputs.length + graph.outputs.length,
    arenaBytes: plan.arenaBytes,
    listing,
  };
}

function listingLine(node: Node): string {
  const inner = node.body ? ` (${node.body.nodes.map((part) => part.op.name).join(", ")})` : "";
  return `${node.op.name}${inner} → ${node.outputs.join(", ")}`;
}
