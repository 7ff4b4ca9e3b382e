/** Elementwise operations, single or fused, as one chain of the tile interpreter. */
import {
  bytesPerElement,
  type DType,
  denseView,
  type Graph,
  type Node,
  required,
  type ScalarBuilder,
  type ScalarRule,
  type Value,
  type View,
} from "nagare/backend";
import {
  bodyReadings,
  type LoweringContext,
  product,
  type Reading,
  scalarElement,
  sizes,
} from "./lowering.ts";

/** A value of a chain under construction. */
interface ChainValue {
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
class Chain {
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

/** The strides with which a (broadcast) operand is read along the dimensions of the result. */
function broadcastStrides({ shape, strides }: View, result: readonly number[]): number[] {
  const added = result.length - shape.length;
  return result.map((_, axis) =>
    axis < added || shape[axis - added] === 1 ? 0 : (strides[axis - added] ?? 0),
  );
}

/** Writes a fused node, or a single elementwise one, as one instruction. */
export function lowerElementwise(node: Node, context: LoweringContext): void {
  const [first] = node.outputs;
  if (!first) return;
  const shape = sizes(first);
  if (product(shape) === 0) return;
  const chain = new Chain(context.givesBool);
  const read = (reading: Reading): ChainValue => {
    const known = context.scalarOf(reading.value);
    return known === undefined ? chain.load(reading) : chain.constant(reading.value.dtype, known);
  };
  const outputs = node.body
    ? applyBody(chain, node.body, bodyReadings(node, node.body), read)
    : [
        applyNode(
          chain,
          node,
          node.inputs.map((value) => read({ value, view: denseView(value) })),
        ),
      ];
  writeChain(chain, outputs, node, shape, context);
}

/** Operands are loaded when a part first reads them: of what movements look at, only what they find is. */
function applyBody(
  chain: Chain,
  body: Graph,
  readings: ReadonlyMap<Value, Reading>,
  read: (reading: Reading) => ChainValue,
): ChainValue[] {
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
  for (const part of body.nodes) {
    const [output] = part.outputs;
    if (output && !readings.has(output)) values.set(output, applyNode(chain, part, part.inputs.map(current)));
  }
  return body.outputs.map(current);
}

function writeChain(
  chain: Chain,
  outputs: readonly ChainValue[],
  node: Node,
  shape: readonly number[],
  { writer, scalarOps, place }: LoweringContext,
): void {
  const number = ({ source }: ChainValue): number => {
    if (source.kind === "load") return source.index;
    if (source.kind === "constant") return chain.loads.length + source.index;
    return chain.loads.length + chain.constants.length + source.index;
  };
  writer.instruction("elementwise", () => {
    writer.int(shape.length);
    writer.wides(shape);
    writer.int(chain.loads.length);
    chain.loads.forEach(({ value, view }) => {
      const { base, offset } = place(value);
      writer.dtype(value.dtype);
      writer.place({ base, offset: offset + view.offset * bytesPerElement(value.dtype) });
      writer.wides(broadcastStrides(view, shape));
    });
    writer.int(chain.constants.length);
    for (const { dtype, value } of chain.constants) {
      writer.dtype(dtype);
      writer.scalar(dtype, value);
    }
    writer.int(chain.instructions.length);
    for (const { op, dtype, operands } of chain.instructions) {
      const code = scalarOps.get(op);
      if (code === undefined)
        throw new TypeError(`The native engine has no elementwise operation ${JSON.stringify(op)}.`);
      writer.int(code);
      writer.dtype(dtype);
      for (let k = 0; k < 3; k++) {
        const operand = operands[k];
        writer.int(operand ? number(operand) : -1);
      }
    }
    writer.int(outputs.length);
    outputs.forEach((output, i) => {
      writer.int(number(output));
      const target = node.outputs[i];
      if (target) writer.place(place(target));
    });
  });
}
