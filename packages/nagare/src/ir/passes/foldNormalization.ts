/** Normalization by known statistics after a convolution, in the form in which the convolution can do it. */
import { sameShape } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import { type Graph, type Node, useCounts, type Value } from "../graph.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

const dtypes: ReadonlySet<string> = new Set(["float32", "float64"]);

/** The operands of a node of this name that keeps the shape of the first: that one, and one number for each channel. */
function onChannels(node: Node | undefined, name: string): readonly [Value, Value] | undefined {
  const [a, b] = node?.inputs ?? [];
  const [output] = node?.outputs ?? [];
  if (node?.op.name !== name || !a || !b || !output) return undefined;
  const [x, channels] = a.shape.length === 1 && name !== "sub" ? [b, a] : [a, b];
  const fits = channels.shape.length === 1 && channels.shape[0] === x.shape.at(-1);
  return fits && x.shape.length > 1 && sameShape(x.shape, output.shape) ? [x, channels] : undefined;
}

/**
 * (conv − mean)·factor becomes conv·factor − mean·factor, with whatever offset is added to it: one factor and one offset for
 * each channel, which the convolution applies to its sums (see fuseEpilogues.ts). So batch normalization costs no pass over
 * memory where its statistics are known. Only where nothing else reads what is between: not while training.
 */
export function foldNormalization(graph: Graph): Graph {
  const uses = useCounts(graph);
  const used = new Map<Value, number>();
  const isOnce = (value: Value | undefined): boolean => value !== undefined && used.get(value) === 1;
  return rewriteGraph(graph, (node, rewriter) => {
    const results = rewritten(node, rewriter, isOnce);
    // The rewriter renames values: their uses are those of the values they stand for.
    node.outputs.forEach((output, i) => {
      used.set(results?.[i] ?? output, uses.get(output) ?? 0);
    });
    return results;
  });
}

function rewritten(
  node: Node,
  rewriter: Rewriter,
  isOnce: (value: Value | undefined) => boolean,
): readonly Value[] | undefined {
  return factorOut(node, rewriter, isOnce) ?? joinOffsets(node, rewriter, isOnce);
}

/** (conv − mean)·factor → conv·factor + (−mean·factor). */
function factorOut(
  node: Node,
  { producer, emit }: Rewriter,
  isOnce: (value: Value | undefined) => boolean,
): readonly Value[] | undefined {
  const scaled = onChannels(node, "mul");
  const centered = scaled && producer(scaled[0]);
  const [sum, mean] = onChannels(centered, "sub") ?? [];
  if (!scaled || !sum || !mean || !isOnce(scaled[0]) || !isOnce(sum)) return undefined;
  if (producer(sum)?.op.name !== "conv2d" || !dtypes.has(sum.dtype)) return undefined;
  const [, factor] = scaled;
  const shift = emit(ops.neg, [emit(ops.mul, [mean, factor], {})], {});
  return [emit(ops.add, [emit(ops.mul, [sum, factor], {}), shift], {})];
}

/** (conv·factor + a) + b → conv·factor + (a + b), for two offsets of channels. */
function joinOffsets(
  node: Node,
  { producer, emit }: Rewriter,
  isOnce: (value: Value | undefined) => boolean,
): readonly Value[] | undefined {
  const [sum, second] = onChannels(node, "add") ?? [];
  const [product, first] = onChannels(sum && producer(sum), "add") ?? [];
  if (!sum || !second || !product || !first || !isOnce(sum)) return undefined;
  const [convolved] = onChannels(producer(product), "mul") ?? [];
  if (!convolved || producer(convolved)?.op.name !== "conv2d" || !dtypes.has(sum.dtype)) return undefined;
  return [emit(ops.add, [product, emit(ops.add, [first, second], {})], {})];
}
