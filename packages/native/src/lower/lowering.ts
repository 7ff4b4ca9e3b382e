/** What a lowering is: it writes the instructions that carry out one node. */
import {
  type Aval,
  bfloat16ToNumber,
  type ConcreteTensor,
  concreteShape,
  float16ToNumber,
  type Node,
  type Params,
  type Value,
} from "nagare/backend";
import type { InstructionWriter, Place } from "../instructions.ts";

/** What lowerings write with. */
export interface LoweringContext {
  readonly writer: InstructionWriter;
  /** The codes of the tile interpreter's operations by name. */
  readonly scalarOps: ReadonlyMap<string, number>;
  /** Those of them that give bool whatever they read. */
  readonly givesBool: ReadonlySet<string>;
  /** The codes of the reductions by name. */
  readonly reductions: ReadonlyMap<string, number>;
  /** Where a value lives. */
  place(value: Value): Place;
  /** The element of a constant of size 1; undefined for everything else. */
  scalarOf(value: Value): number | bigint | undefined;
}

/** Writes the instructions for a node whose dtypes the engine computes in (see legalize.ts). */
export type Lowering = (node: Node, context: LoweringContext) => void;

/** How a fused operation is carried out as a whole. */
export interface FusedLowering {
  /** Whether the engine has a kernel for such operands; otherwise the decomposition runs. */
  takes(inputs: readonly Aval[], params: Params): boolean;
  readonly lower: Lowering;
}

/** The only result of a node. */
export function resultOf(node: Node): Value {
  const [output] = node.outputs;
  if (!output || node.outputs.length !== 1) throw new TypeError(`${node.op.name}: expected one result.`);
  return output;
}

/** Operand `index` of a node. */
export function operandOf(node: Node, index: number): Value {
  const input = node.inputs[index];
  if (!input) throw new TypeError(`${node.op.name}: operand ${index} is missing.`);
  return input;
}

/** The sizes of a value, which are numbers by now. */
export function sizes(value: Value): readonly number[] {
  return concreteShape(value.shape);
}

export function product(values: readonly number[]): number {
  return values.reduce((a, b) => a * b, 1);
}

/** The only element of a tensor, decoded. */
export function scalarElement(tensor: ConcreteTensor): number | bigint {
  const element = tensor.storage.readSync()[0] ?? 0;
  if (tensor.dtype === "float16") return float16ToNumber(Number(element));
  return tensor.dtype === "bfloat16" ? bfloat16ToNumber(Number(element)) : element;
}

/** A matrix product or a convolution, with the bias and the activation that its kernel applies. */
export interface Product {
  readonly name: string;
  readonly params: Params;
  readonly a: Value;
  readonly b: Value;
  readonly bias: Value | undefined;
  readonly relu: boolean;
  readonly result: Value;
}

/** A fused node that starts with a product: its parts are the product, the addition of a bias, and perhaps a rectifier. */
export function isFusedProduct(node: Node): boolean {
  const [head] = node.body?.nodes ?? [];
  return (
    head !== undefined && !head.op.scalar && head.op.name !== "convert" && head.op.name !== "stopGradient"
  );
}

/** A product node, alone or fused with what follows it. */
export function productOf(node: Node): Product {
  const result = resultOf(node);
  const [head, add, activation] = node.body?.nodes ?? [];
  if (!node.body || !head || !add) {
    const [a, b] = [operandOf(node, 0), operandOf(node, 1)];
    return { name: node.op.name, params: node.params, a, b, bias: undefined, relu: false, result };
  }
  const { inputs } = node.body;
  const outer = (value: Value | undefined): Value => operandOf(node, value ? inputs.indexOf(value) : -1);
  const bias = add.inputs.find((input) => !head.outputs.includes(input));
  return {
    name: head.op.name,
    params: head.params,
    a: outer(head.inputs[0]),
    b: outer(head.inputs[1]),
    bias: outer(bias),
    relu: activation !== undefined,
    result,
  };
}
