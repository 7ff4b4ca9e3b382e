/** Fusion of what follows a matrix product or a convolution into the operation itself. */
import type { Graph, Node as GraphNode, Value } from "../graph.ts";
import { producers, required, useCounts, withParts } from "../graph.ts";
import { joinNodes } from "./fusion.ts";

/** The operations whose kernels add a bias and apply an activation to each sum before it is written. */
const heads: ReadonlySet<string> = new Set(["matmul", "conv2d"]);
const dtypes: ReadonlySet<string> = new Set(["float32", "float64"]);

/** The bias when `node` adds one number for each element of the last axis to the only use of `sum`. */
function biasOf(node: GraphNode, sum: Value): Value | undefined {
  const [a, b] = node.inputs;
  const [output] = node.outputs;
  if (node.op.name !== "add" || !a || !b || !output) return undefined;
  const bias = a === sum ? b : a;
  const columns = sum.shape.at(-1);
  const fits =
    bias.shape.length === 1 && bias.shape[0] === columns && output.shape.length === sum.shape.length;
  return bias !== sum && fits && output.shape.every((size, axis) => size === sum.shape[axis])
    ? bias
    : undefined;
}

/**
 * A product, the bias added to it, and a rectifier become one node: the sums are finished while they are in registers,
 * instead of being read and written once more. Only where nothing else reads what is between.
 */
export function fuseEpilogues(graph: Graph): Graph {
  const uses = useCounts(graph);
  const madeBy = producers(graph);
  const reader = new Map<Value, GraphNode>();
  for (const node of graph.nodes) for (const input of node.inputs) reader.set(input, node);
  const onlyReader = (value: Value): GraphNode | undefined =>
    uses.get(value) === 1 ? reader.get(value) : undefined;
  const order = new Map(graph.nodes.map((node, i) => [node, i]));

  const absorbed = new Set<GraphNode>();
  const replacements = new Map<GraphNode, GraphNode>();
  for (const head of graph.nodes) {
    const [sum] = head.outputs;
    if (!heads.has(head.op.name) || !sum || !dtypes.has(sum.dtype)) continue;
    const add = onlyReader(sum);
    const bias = add && biasOf(add, sum);
    const [shifted] = add?.outputs ?? [];
    if (!add || !bias || !shifted) continue;
    const next = onlyReader(shifted);
    const chain = next?.op.name === "relu" ? [head, add, next] : [head, add];
    // The fused node stands where its last part stood, so that the bias, too, is made before it.
    const last = chain.at(-1) ?? add;
    const maker = madeBy.get(bias);
    if (maker && required(order, maker) > required(order, last)) continue;
    for (const part of chain) absorbed.add(part);
    replacements.set(last, joinNodes(chain, last.outputs));
  }
  const nodes = graph.nodes.flatMap((node) => {
    const replacement = replacements.get(node);
    if (replacement) return [replacement];
    return absorbed.has(node) ? [] : [node];
  });
  return withParts(graph, { nodes });
}
