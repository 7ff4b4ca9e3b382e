/** From a graph to a program: where every value lives, and the instructions in order. */
import {
  type Aval,
  bytesOf,
  concreteSize,
  type Graph,
  group,
  isElementwise,
  isMovement,
  isPassOn,
  membersOf,
  type Node,
  builder as ops,
  type Params,
  type Primitive,
  planMemory,
  required,
  sameShape,
  type TypedArray,
  UnsupportedError,
  type Value,
} from "nagare/backend";
import { InstructionWriter, type Place } from "./instructions.ts";
import { legalize } from "./legalize.ts";
import {
  attentions,
  type FusedLowering,
  headOf,
  indexing,
  type Lowering,
  type LoweringContext,
  lowerElementwise,
  lowerGroup,
  lowerMovement,
  movement,
  readsInPlace,
  recurrent,
  rows,
  scalarElement,
  sums,
  updatesFirstOperand,
  writeDenseCopy,
} from "./lower/index.ts";
import type { PreparedConstants } from "./preparedConstants.ts";
import { findShares, type Share, timesOfUse } from "./sharing.ts";

/** Constants up to this size are copied into the program; larger ones stay where they are and are given to each run. */
const maximalCopiedBytes = 4096;

/** A compiled graph, ready for the engine. Memories of a run: the inputs, the outputs, then `shared`. */
export interface CompiledProgram {
  readonly code: Int32Array;
  readonly constants: readonly TypedArray[];
  /** Large constants, as they are or prepared for the kernels that read them. */
  readonly shared: readonly TypedArray[];
  /** Bytes of those of them that were prepared. */
  readonly preparedBytes: number;
  readonly externals: number;
  readonly arenaBytes: number;
  readonly lowerBoundBytes: number;
  /** What each instruction carries out; a node may need several. */
  readonly nodes: readonly Node[];
}

/** The codes of the engine, by name. */
export interface EngineCodes {
  readonly instructions: ReadonlyMap<string, number>;
  readonly scalars: ReadonlyMap<string, number>;
  readonly givesBool: ReadonlySet<string>;
  readonly reductions: ReadonlyMap<string, number>;
}

/** The fused operations that the engine carries out as wholes, by name. */
const fusedLowerings: { readonly [name: string]: FusedLowering } = {
  ...attentions,
  ...indexing,
  ...recurrent,
  ...rows,
};

const lowerings: { readonly [name: string]: Lowering } = {
  ...movement,
  ...sums,
  ...Object.fromEntries(Object.entries(fusedLowerings).map(([name, { lower }]) => [name, lower])),
};

/** Whether the engine carries out a fused operation on such operands as a whole. */
export function takesFused(op: Primitive, inputs: readonly Aval[], params: Params): boolean {
  return fusedLowerings[op.name]?.takes(inputs, params) ?? false;
}

function lower(node: Node, context: LoweringContext): void {
  const { op } = node;
  // Kernels split their work by sizes that they may take to be at least 1.
  if (node.outputs.every((output) => concreteSize(output.shape) === 0)) return;
  const lowering = lowerings[headOf(node)?.op.name ?? op.name];
  if (node.op === group) lowerGroup(node, context);
  else if (lowering) lowering(node, context);
  else if (node.body?.nodes.every(isMovement)) lowerMovement(node, context);
  else if (node.body || isElementwise(node)) lowerElementwise(node, context);
  else {
    throw new UnsupportedError(
      `The native backend has no kernel for ${op.name}. Use ng.setBackend("reference") for it.`,
    );
  }
}

/**
 * Which outputs are computed where they belong; the others are copied there at the end. An output's memory may be that
 * of the input it is an alias of: then nothing may read that input after the output is made.
 */
function outputHolders(graph: Graph, owner: (value: Value) => Value): Map<Value, number> {
  // An output in another's memory, such as a reshaped input, is copied at the end.
  const { made: madeAt, last: lastRead } = timesOfUse(graph, owner);
  const aliases = new Map(graph.aliases.map(({ output, input }) => [output, input]));
  const holders = new Map<Value, number>();
  graph.outputs.forEach((value, index) => {
    const memory = owner(value);
    const made = madeAt.get(memory);
    if (made === undefined || holders.has(memory)) return;
    const alias = aliases.get(index);
    const overwritten = alias === undefined ? undefined : graph.inputs[alias];
    const read = overwritten && lastRead.get(overwritten);
    const node = graph.nodes[made];
    const replaces = (): boolean =>
      node !== undefined && mayReplace(node, memory, (input) => owner(input) === overwritten);
    const free = read === undefined || read < made || (read === made && replaces());
    if (free) holders.set(memory, index);
  });
  return holders;
}

/**
 * Whether a node may write a result over those of its operands that are `overwritten`: the part that makes it reads each element
 * before it writes it, and parts that run beside it do not read it.
 */
function mayReplace(node: Node, result: Value, overwritten: (input: Value) => boolean): boolean {
  return membersOf(node).every((member) => {
    const read = member.inputs.filter(overwritten);
    if (!member.outputs.includes(result)) return read.length === 0;
    if (updatesFirstOperand(member)) return member.inputs.every((input, i) => i === 0 || !overwritten(input));
    return readsInPlace(member) && read.every((input) => sameShape(input.shape, result.shape));
  });
}

/** Compiles a graph whose dimensions are numbers. Throws UnsupportedError for an operation without a kernel. */
export function compileProgram(
  source: Graph,
  codes: EngineCodes,
  constants: PreparedConstants,
): CompiledProgram {
  const graph = legalize(source);
  const shares = findShares(graph, isPassOn("share"));
  const shareOf = (value: Value): Share => shares.get(value) ?? { value, offset: 0 };
  const holders = outputHolders(graph, (value) => shareOf(value).value);
  const inputIndex = new Map(graph.inputs.map((input, i) => [input, i]));
  const arrays = new Map([...graph.constants].map(([value, { storage }]) => [value, storage.readSync()]));
  const copied = [...arrays.values()].filter(({ byteLength }) => byteLength <= maximalCopiedBytes);
  const firstInput = 1 + copied.length;
  const firstOutput = firstInput + graph.inputs.length;
  const firstShared = firstOutput + graph.outputs.length;
  const constantBase = new Map(copied.map((array, i) => [array, 1 + i]));
  const shared: TypedArray[] = [];
  const prepared = new Set<TypedArray>();
  // Large constants have their numbers from their first use on: what is read as prepared only is not handed over.
  const baseOf = (array: TypedArray): number => {
    const base = constantBase.get(array) ?? firstShared + shared.push(array) - 1;
    constantBase.set(array, base);
    return base;
  };

  const inArena = (value: Value): boolean => !holders.has(value);
  const ownerFor = ({ outputs: [output] }: Node) => output && shares.get(output)?.value;
  const plan = planMemory(graph, inArena, ownerFor, isPassOn("plan"));
  const place = (value: Value): Place => {
    const { value: memory, offset } = shareOf(value);
    const output = holders.get(memory);
    if (output !== undefined) return { base: firstOutput + output, offset };
    const input = inputIndex.get(memory);
    if (input !== undefined) return { base: firstInput + input, offset };
    const constant = arrays.get(memory);
    if (constant) return { base: baseOf(constant), offset };
    return { base: 0, offset: required(plan.offsets, memory) + offset };
  };

  const writer = new InstructionWriter(codes.instructions);
  const context: LoweringContext = {
    writer,
    scalarOps: codes.scalars,
    givesBool: codes.givesBool,
    reductions: codes.reductions,
    place,
    prepared: (value, preparation) => {
      const constant = arrays.get(shareOf(value).value);
      // What is prepared is a whole constant.
      if (
        !constant ||
        bytesOf(value) < constant.byteLength ||
        constant.byteLength <= maximalCopiedBytes ||
        !isPassOn("prepare")
      )
        return undefined;
      const array = constants.prepare(constant, preparation);
      prepared.add(array);
      return { base: baseOf(array), offset: 0 };
    },
    filterLayout: (convolution) => constants.filterLayout(convolution),
    scalarOf: (value) => {
      const tensor = graph.constants.get(value);
      return tensor && concreteSize(tensor.shape) === 1 ? scalarElement(tensor) : undefined;
    },
  };
  const nodes: Node[] = [];
  const wroteFor = (node: Node): void => {
    while (nodes.length < writer.count) nodes.push(node);
  };
  for (const node of graph.nodes) {
    if (!ownerFor(node)) lower(node, context);
    wroteFor(node);
  }
  graph.outputs.forEach((value, index) => {
    if (holders.get(shareOf(value).value) === index) return;
    const to = { base: firstOutput + index, offset: 0 };
    writeDenseCopy(context, value.dtype, concreteSize(value.shape), place(value), to);
    wroteFor({ op: copy, params: {}, inputs: [value], outputs: [value] });
  });
  return {
    code: writer.finish(),
    constants: copied,
    shared,
    preparedBytes: [...prepared].reduce((sum, { byteLength }) => sum + byteLength, 0),
    externals: graph.inputs.length + graph.outputs.length + shared.length,
    arenaBytes: plan.arenaBytes,
    lowerBoundBytes: plan.lowerBoundBytes,
    nodes,
  };
}

/** What brings a result to its place where no kernel could write it there. */
const copy: Primitive = { ...(ops.broadcastTo as unknown as Primitive), name: "copy" };
