/** Elementwise operations, single, fused or grouped, as instructions of the tile interpreter. */
import {
  broadcastStrides,
  bytesPerElement,
  concreteSize,
  membersOf,
  type Node,
  type Reading,
  sameShape,
  type Value,
} from "nagare/backend";
import { type Chain, chainOf, type NodeChain } from "./chain.ts";
import { type LoweringContext, product, sizes } from "./lowering.ts";

/**
 * A load over the elements of `shape`: whether it is drawn; then the first of the key's words and the key, or dtype, place and
 * strides.
 */
function writeLoad(
  { value, view, drawn }: Reading,
  shape: readonly number[],
  { writer, place }: LoweringContext,
): void {
  writer.flag(drawn === true);
  if (drawn) {
    writer.wide(view.offset);
    writer.place(place(value));
    return;
  }
  const { base, offset } = place(value);
  writer.dtype(value.dtype);
  writer.place({ base, offset: offset + view.offset * bytesPerElement(value.dtype) });
  writer.wides(broadcastStrides(view, shape));
}

/** Writes a fused node, or a single elementwise one, as one instruction. */
export function lowerElementwise(node: Node, context: LoweringContext): void {
  const [first] = node.outputs;
  if (!first) return;
  const shape = sizes(first);
  if (product(shape) === 0) return;
  const { chain, outputs } = chainOf(node, context);
  const { writer, place } = context;
  writer.instruction("elementwise", () => {
    writeChain(chain, shape, context);
    writer.int(outputs.length);
    outputs.forEach((output, i) => {
      writer.int(chain.numberOf(output));
      const target = node.outputs[i];
      if (target) writer.place(place(target));
    });
  });
}

/** What a chain reads, over the elements of `shape`, and computes. */
function writeChain(chain: Chain, shape: readonly number[], context: LoweringContext): void {
  const { writer } = context;
  writer.int(shape.length);
  writer.wides(shape);
  writer.int(chain.loads.length);
  for (const load of chain.loads) writeLoad(load, shape, context);
  writeComputation(chain, context);
}

/** Writes the chain that makes the elements of a reduction's operand, of `shape`, as part of its instruction. */
export function writeMaking(
  { chain, outputs }: NodeChain,
  shape: readonly number[],
  context: LoweringContext,
): void {
  writeChain(chain, shape, context);
  for (const output of outputs) context.writer.int(chain.numberOf(output));
}

/** Writes the chain that takes a product's sums, over the elements of `shape`, and replaces them, as part of its instruction. */
export function writeFinish(
  { chain, outputs }: NodeChain,
  sum: Value,
  shape: readonly number[],
  context: LoweringContext,
): void {
  const { writer } = context;
  writer.int(shape.length);
  writer.wides(shape);
  writer.int(chain.loads.length);
  for (const load of chain.loads) {
    writer.flag(load.value === sum);
    if (load.value !== sum) writeLoad(load, shape, context);
  }
  writeComputation(chain, context);
  for (const output of outputs) writer.int(chain.numberOf(output));
}

/** Writes a group: what its members compute once, then the elements and places of each. */
export function lowerGroup(node: Node, context: LoweringContext): void {
  const members = membersOf(node)
    .filter(({ outputs: [result] }) => result && concreteSize(result.shape) > 0)
    .map((member) => ({ member, ...chainOf(member, context) }));
  const [first] = members;
  const [result] = first?.member.outputs ?? [];
  if (!first || !result) return;
  const { writer, place } = context;
  writer.instruction("elementwiseGroup", () => {
    writer.int(first.chain.loads.length);
    for (const { value } of first.chain.loads) {
      writer.dtype(value.dtype);
      writer.flag(sameShape(value.shape, result.shape));
    }
    writeComputation(first.chain, context);
    writer.int(first.outputs.length);
    for (const output of first.outputs) writer.int(first.chain.numberOf(output));
    writer.int(members.length);
    for (const { member, chain } of members) {
      writer.wide(concreteSize(member.outputs[0]?.shape ?? []));
      for (const { value } of chain.loads) writer.place(place(value));
      for (const output of member.outputs) writer.place(place(output));
    }
  });
}

/** The constants and the operations of a chain. */
function writeComputation(chain: Chain, { writer, scalarOps }: LoweringContext): void {
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
      writer.int(operand ? chain.numberOf(operand) : -1);
    }
  }
}
