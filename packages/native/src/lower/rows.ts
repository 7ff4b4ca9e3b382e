/** Fused operations on rows: the last axis. */
import type { Aval, Node } from "nagare/backend";
import {
  type FusedLowering,
  type Lowering,
  type LoweringContext,
  operandOf,
  product,
  sizes,
} from "./lowering.ts";

/** The instruction of a node's name: dtype, rows and elements of operand `like`, `more` numbers, operands and results in order. */
function writeRows(node: Node, { writer, place }: LoweringContext, like: number, more: () => void): void {
  const x = operandOf(node, like);
  const shape = sizes(x);
  writer.instruction(node.op.name, () => {
    writer.dtype(x.dtype);
    writer.wides([product(shape.slice(0, -1)), shape.at(-1) ?? 1]);
    more();
    for (const value of [...node.inputs, ...node.outputs]) writer.place(place(value));
  });
}

const lowerRows: Lowering = (node, context) => writeRows(node, context, 0, () => undefined);

const lowerCrossEntropy: Lowering = (node, context) =>
  writeRows(node, context, 0, () => context.writer.flag(operandOf(node, 1).dtype === "int64"));

const lowerWithEpsilon: Lowering = (node, context) =>
  writeRows(node, context, 0, () => context.writer.scalar("float64", Number(node.params.epsilon)));

function areFloats([x]: readonly Aval[]): boolean {
  return x?.dtype === "float32" || x?.dtype === "float64";
}

/** Rows without elements are left to the decomposition, which says what their mean is. */
function areFullRows(operands: readonly Aval[]): boolean {
  return areFloats(operands) && operands[0]?.shape.at(-1) !== 0;
}

/** Channels of no numbers, as well. */
function areFullChannels(operands: readonly Aval[]): boolean {
  return areFloats(operands) && !operands[0]?.shape.includes(0);
}

export const rows: { readonly [name: string]: FusedLowering } = {
  softmax: { takes: areFloats, lower: lowerRows },
  softmaxGrad: { takes: areFloats, lower: lowerRows },
  logSoftmax: { takes: areFloats, lower: lowerRows },
  logSoftmaxGrad: { takes: areFloats, lower: lowerRows },
  softmaxCrossEntropy: { takes: areFloats, lower: lowerCrossEntropy },
  softmaxCrossEntropyGrad: { takes: areFloats, lower: lowerCrossEntropy },
  layerNorm: { takes: areFullRows, lower: lowerWithEpsilon },
  layerNormGrad: { takes: areFullRows, lower: lowerRows },
  channelMoments: { takes: areFullChannels, lower: lowerRows },
  batchNormGrad: { takes: areFullChannels, lower: lowerWithEpsilon },
};
