/** What a lowering is: it writes the instructions that carry out one node. */
import {
  type Aval,
  bfloat16ToNumber,
  bodyReadings,
  type ConcreteTensor,
  concreteShape,
  denseView,
  float16ToNumber,
  isDraw,
  isElementwise,
  isMovement,
  type Node,
  type Params,
  productParts,
  type Reading,
  required,
  type Value,
  type View,
} from "nagare/backend";
import type { InstructionWriter, Place } from "../instructions.ts";
import type { Preparation } from "../preparedConstants.ts";

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
  /**
   * Where a constant lies as an instruction has prepared it, once, when the program was compiled; undefined for what is no constant,
   * or a small one. The preparation is of the whole constant, and must not depend on how often or on what it is used.
   */
  prepared(value: Value, preparation: Preparation): Place | undefined;
  /** The layout in which the engine wants the filters of a convolution, if it may have them prepared (see `Addon`). */
  filterLayout(convolution: Int32Array): number;
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

/** The part of a fused node that is not for an elementwise chain: no operation of one, no movement, no bits that one draws. */
export function headOf(node: Node): Node | undefined {
  return node.body?.nodes.find((part) => !isElementwise(part) && !isMovement(part) && !isDraw(part));
}

/** Whether a node computes each element of its result from elements at the same place, and may be written over them. */
export function readsInPlace(node: Node): boolean {
  return (
    isElementwise(node) || (node.body?.nodes.every((part) => isElementwise(part) || isDraw(part)) ?? false)
  );
}

/** Whether a node changes some elements of its first operand, and may do so in place. */
export function updatesFirstOperand({ op }: Node): boolean {
  return op.name === "subtractRows";
}

/** What a kernel does last to each of its sums; the position is the code in programs. */
const activations = ["none", "relu", "relu6"] as const;

/** What the kernel does to the finished sums: activation(scale·sum + bias + residual). */
export interface Epilogue {
  /** Factors for each element of the last axis. */
  readonly scale: Value | undefined;
  readonly bias: Value | undefined;
  /** Like the result. */
  readonly residual: Value | undefined;
  readonly activation: (typeof activations)[number];
}

const noEpilogue: Epilogue = { scale: undefined, bias: undefined, residual: undefined, activation: "none" };

/** A matrix product or a convolution, with what its kernel does to the sums. */
export interface Product {
  readonly name: string;
  readonly params: Params;
  readonly a: Reading;
  readonly b: Reading;
  readonly epilogue: Epilogue;
  /** The value of the node's body, if it has one, that the kernel makes; the parts of `rest`, a chain, read it. */
  readonly sum: Value;
  readonly rest: readonly Node[];
  readonly result: Value;
  /** How the product lies in the result: dense, or transposed. */
  readonly written: View;
}

/** A product node, alone or fused with what comes before and after it. */
export function productOf(node: Node): Product {
  const result = resultOf(node);
  const head = headOf(node);
  if (!node.body || !head) {
    const [a, b] = [operandOf(node, 0), operandOf(node, 1)].map((value) => ({
      value,
      view: denseView(value),
    }));
    if (!a || !b) throw new TypeError(`${node.op.name}: expected two operands.`);
    const written = denseView(result);
    const plain = { epilogue: noEpilogue, sum: result, rest: [] };
    return { name: node.op.name, params: node.params, a, b, ...plain, result, written };
  }
  const readings = bodyReadings(node, node.body);
  const after = node.body.nodes.slice(node.body.nodes.indexOf(head) + 1);
  const { own, sum, rest } = productParts(node.body, head);
  return {
    name: head.op.name,
    params: head.params,
    a: required(readings, operandOf(head, 0)),
    b: required(readings, operandOf(head, 1)),
    epilogue: epilogueOf(own, (value) => readings.get(value)?.value),
    sum,
    rest,
    result,
    written: writtenView(result, after.find(isMovement)),
  };
}

/** The elementwise operations after a product, as its kernel names them. `outer` is the operand of the node that a value stands for. */
function epilogueOf(parts: readonly Node[], outer: (value: Value) => Value | undefined): Epilogue {
  let epilogue = noEpilogue;
  for (const { op, inputs } of parts) {
    const operand = inputs.map(outer).find((value) => value !== undefined);
    if (op.name === "mul") epilogue = { ...epilogue, scale: operand };
    else if (op.name === "relu") epilogue = { ...epilogue, activation: "relu" };
    else if (op.name === "minimum") epilogue = { ...epilogue, activation: "relu6" };
    else if (operand?.shape.length === 1) epilogue = { ...epilogue, bias: operand };
    else epilogue = { ...epilogue, residual: operand };
  }
  return epilogue;
}

/** How a product lies in the dense memory of the result, which is its transposition if there is one. */
function writtenView(result: Value, transposition: Node | undefined): View {
  const dense = denseView(result);
  if (!transposition) return dense;
  const permutation = transposition.params.permutation as readonly number[];
  const before = (values: readonly number[]) =>
    permutation.map((_, axis) => values[permutation.indexOf(axis)] ?? 0);
  return { shape: before(dense.shape), offset: 0, strides: before(dense.strides) };
}

/** The epilogue's numbers, and after the operands its own. `parts` are those that the kernel at hand knows. */
export function writeEpilogue(
  { epilogue }: Product,
  parts: readonly ("scale" | "bias" | "residual")[],
  { writer, place }: LoweringContext,
  writeOperands: () => void,
): void {
  writer.int(activations.indexOf(epilogue.activation));
  for (const part of parts) writer.flag(epilogue[part] !== undefined);
  writeOperands();
  for (const part of parts) {
    const value = epilogue[part];
    if (value) writer.place(place(value));
  }
}
