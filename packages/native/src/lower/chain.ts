/** What an elementwise node computes, as a chain of operations of the tile interpreter. */
import {
  bodyReadings,
  type DType,
  denseView,
  type Graph,
  isElementwise,
  type Node,
  type Reading,
  required,
  type ScalarBuilder,
  type ScalarRule,
  type Value,
} from "nagare/backend";
import { type LoweringContext, scalarElement } from "./lowering.ts";

/** A value of a chain under construction. */
export interface ChainValue {
  readonly dtype: DType;
  readonly source:
    | { readonly kind: "load"; readonly index: number }
    | { readonly kind: "constant"; readonly index: number }
    | { readonly kind: "instruction"; readonly index: number };
}

interface Instruction {
  readonly op: string;
  readonly dtype: DType;
  readonly operands: readonly ChainValue[];
}

/** Collects the loads, constants and instructions of one chain. */
export class Chain {
  readonly loads: Reading[] = [];
  readonly constants: { readonly dtype: DType; readonly value: number | bigint }[] = [];
  readonly instructions: Instruction[] = [];
  readonly #constantKeys = new Map<string, ChainValue>();
  readonly #givesBool: ReadonlySet<string>;

  /** `givesBool` names the operations that give bool whatever they read. */
  constructor(givesBool: ReadonlySet<string>) {
    this.#givesBool = givesBool;
  }

  load(reading: Reading): ChainValue {
    const index = this.loads.push(reading) - 1;
    return { dtype: reading.value.dtype, source: { kind: "load", index } };
  }

  constant(dtype: DType, value: number | bigint): ChainValue {
    const key = `${dtype}:${Object.is(value, -0) ? "-0" : String(value)}`;
    let known = this.#constantKeys.get(key);
    if (!known) {
      const index = this.constants.push({ dtype, value }) - 1;
      known = { dtype, source: { kind: "constant", index } };
      this.#constantKeys.set(key, known);
    }
    return known;
  }

  instruction(op: string, dtype: DType, operands: readonly ChainValue[]): ChainValue {
    const index = this.instructions.push({ op, dtype, operands }) - 1;
    return { dtype, source: { kind: "instruction", index } };
  }

  /** The place of a value among all: loads come first, then constants, then instructions. */
  numberOf({ source }: ChainValue): number {
    if (source.kind === "load") return source.index;
    if (source.kind === "constant") return this.loads.length + source.index;
    return this.loads.length + this.constants.length + source.index;
  }

  /** The scalar vocabulary as instructions; constants take the dtype `computed`. */
  builder(computed: DType): ScalarBuilder<ChainValue> {
    return new Proxy({} as ScalarBuilder<ChainValue>, {
      get: (_, name: string) => {
        if (name === "constant") return (value: number) => this.constant(computed, value);
        return (...operands: ChainValue[]) =>
          this.instruction(
            name,
            this.#givesBool.has(name) ? "bool" : (operands.at(-1)?.dtype ?? computed),
            operands,
          );
      },
    });
  }
}

function applyNode(chain: Chain, node: Node, operands: readonly ChainValue[]): ChainValue {
  const { op } = node;
  const last = operands.at(-1);
  if (!last) throw new TypeError(`${op.name}: an elementwise operation without operands.`);
  if (op.name === "stopGradient") return last;
  if (op.name === "convert") {
    const dtype = node.params.dtype as DType;
    return dtype === last.dtype ? last : chain.instruction("convert", dtype, [last]);
  }
  if (!op.scalar) throw new TypeError(`${op.name} is not elementwise.`);
  const rule: ScalarRule = op.scalar;
  return rule(chain.builder(last.dtype), ...operands);
}

/** A chain with the values that are its results. */
export interface NodeChain {
  readonly chain: Chain;
  readonly outputs: readonly ChainValue[];
}

/** The chain of a fused node, or of a single elementwise one. */
export function chainOf(node: Node, context: LoweringContext): NodeChain {
  const chain = new Chain(context.givesBool);
  const read = reader(chain, context);
  if (node.body) {
    const current = applyParts(chain, node.body, node.body.nodes, bodyReadings(node, node.body), read);
    return { chain, outputs: node.body.outputs.map(current) };
  }
  const operands = node.inputs.map((value) => read({ value, view: denseView(value) }));
  return { chain, outputs: [applyNode(chain, node, operands)] };
}

/**
 * The chain of the elementwise `parts` of a fused node that follow its product. It loads the product's sums as the value
 * `sum` of the body, which has no place of its own.
 */
export function chainAfter(
  node: Node,
  body: Graph,
  sum: Value,
  parts: readonly Node[],
  context: LoweringContext,
): NodeChain {
  const chain = new Chain(context.givesBool);
  const readings = new Map(bodyReadings(node, body)).set(sum, { value: sum, view: denseView(sum) });
  const current = applyParts(chain, body, parts, readings, reader(chain, context));
  const results = parts.flatMap(({ outputs }) => outputs);
  return { chain, outputs: results.slice(-1).map(current) };
}

/** The chain of the elementwise parts of a fused node that make the values `results` of its body, which its reductions read. */
export function chainBefore(
  node: Node,
  body: Graph,
  results: readonly Value[],
  context: LoweringContext,
): NodeChain {
  const chain = new Chain(context.givesBool);
  const parts = body.nodes.filter(isElementwise);
  const current = applyParts(chain, body, parts, bodyReadings(node, body), reader(chain, context));
  return { chain, outputs: results.map(current) };
}

/** How a chain takes what it reads: single constants as constants, everything else from memory. */
function reader(chain: Chain, context: LoweringContext): (reading: Reading) => ChainValue {
  return (reading) => {
    const known = context.scalarOf(reading.value);
    return known === undefined ? chain.load(reading) : chain.constant(reading.value.dtype, known);
  };
}

/**
 * Applies parts of a body in order; returns what stands for each value. Operands are loaded when a part first reads them: of
 * what movements look at, only what they find is.
 */
function applyParts(
  chain: Chain,
  body: Graph,
  parts: readonly Node[],
  readings: ReadonlyMap<Value, Reading>,
  read: (reading: Reading) => ChainValue,
): (value: Value) => ChainValue {
  const values = new Map<Value, ChainValue>();
  for (const [constant, tensor] of body.constants) {
    values.set(constant, chain.constant(constant.dtype, scalarElement(tensor)));
  }
  const current = (value: Value): ChainValue => {
    let known = values.get(value);
    if (!known) {
      known = read(required(readings, value));
      values.set(value, known);
    }
    return known;
  };
  for (const part of parts) {
    const [output] = part.outputs;
    if (output && !readings.has(output)) values.set(output, applyNode(chain, part, part.inputs.map(current)));
  }
  return current;
}
