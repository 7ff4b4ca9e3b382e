/** Fused operations on rows, the last axis, and softmax along any axis. */
import { type Aval, isConcrete, type Node, type Params } from "nagare/backend";
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

/** Softmax along an axis: dtype, elements before, along and behind it, operands and results in order. */
const lowerSoftmax: Lowering = (node, { writer, place }) => {
  const x = operandOf(node, 0);
  const shape = sizes(x);
  const at = shape.length + axisOf(node.params);
  writer.instruction(node.op.name, () => {
    writer.dtype(x.dtype);
    writer.wides([product(shape.slice(0, at)), shape[at] ?? 1, product(shape.slice(at + 1))]);
    for (const value of [...node.inputs, ...node.outputs]) writer.place(place(value));
  });
};

function axisOf(params: Params): number {
  return Number(params.axis ?? -1);
}

/**
 * Columns are worked on as vectors of neighbours, all elements of which are kept together: with fewer columns most lanes would
 * be idle, and more elements are not taken.
 */
const [minimalColumns, maximalLength] = [8, 512];

function areSoftmaxed([x]: readonly Aval[], params: Params): boolean {
  const axis = axisOf(params);
  if (!x || !areFloats([x])) return false;
  if (axis === -1) return true;
  if (!isConcrete(x.shape)) return false;
  return (x.shape.at(axis) ?? 0) <= maximalLength && product(x.shape.slice(axis + 1)) >= minimalColumns;
}

const lowerCrossEntropy: Lowering = (node, context) =>
  writeRows(node, context, 0, () => context.writer.flag(operandOf(node, 1).dtype === "int64"));

const lowerWithEpsilon: Lowering = (node, context) =>
  writeRows(node, context, 0, () => context.writer.scalar("float64", Number(node.params.epsilon)));

/** Statistics of channels: dtype, examples, rows of each, channels, operands and results in order. */
const lowerChannels: Lowering = (node, { writer, place }) => {
  const x = operandOf(node, 0);
  const shape = sizes(x);
  const batchAxes = Number(node.params.batchAxes);
  writer.instruction(node.op.name, () => {
    writer.dtype(x.dtype);
    writer.wides([
      product(shape.slice(0, batchAxes)),
      product(shape.slice(batchAxes, -1)),
      shape.at(-1) ?? 1,
    ]);
    for (const value of [...node.inputs, ...node.outputs]) writer.place(place(value));
  });
};

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

/** Fewer numbers than these are gone over several rows at once, by the decomposition. */
const minimalRun = 64;

/** The numbers of a single channel follow each other. */
function haveMoments([x]: readonly Aval[], params: Params): boolean {
  if (!x || !areFullChannels([x])) return false;
  if (x.shape.at(-1) !== 1) return true;
  const run = x.shape.slice(Number(params.batchAxes), -1);
  return !isConcrete(run) || product(run) >= minimalRun;
}

export const rows: { readonly [name: string]: FusedLowering } = {
  softmax: { takes: areSoftmaxed, lower: lowerSoftmax },
  softmaxGrad: { takes: areSoftmaxed, lower: lowerSoftmax },
  logSoftmax: { takes: areSoftmaxed, lower: lowerSoftmax },
  logSoftmaxGrad: { takes: areSoftmaxed, lower: lowerSoftmax },
  softmaxCrossEntropy: { takes: areFloats, lower: lowerCrossEntropy },
  softmaxCrossEntropyGrad: { takes: areFloats, lower: lowerCrossEntropy },
  layerNorm: { takes: areFullRows, lower: lowerWithEpsilon },
  layerNormGrad: { takes: areFullRows, lower: lowerRows },
  rmsNorm: { takes: areFullRows, lower: lowerWithEpsilon },
  rmsNormGrad: { takes: areFullRows, lower: lowerRows },
  channelMoments: { takes: haveMoments, lower: lowerChannels },
  channelProducts: { takes: areFullChannels, lower: lowerChannels },
  batchNormGrad: { takes: areFullChannels, lower: lowerWithEpsilon },
};
