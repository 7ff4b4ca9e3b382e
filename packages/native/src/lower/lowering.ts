/** What a lowering is: it writes the instructions that carry out one node. */
import {
  bfloat16ToNumber,
  type ConcreteTensor,
  concreteShape,
  float16ToNumber,
  type Node,
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
