/** Fusion of what follows a matrix product or a convolution into the operation itself. */
import { type ConcreteTensor, sameShape } from "../../core/index.ts";
import type { Graph, Node as GraphNode, Value } from "../graph.ts";
import { useCounts, withParts } from "../graph.ts";
import { joinNodes } from "./fusion.ts";

/** What the kernels of an operation do to each sum before it is written. */
interface Kernel {
  /** Multiply it by a number for each element of the last axis. */
  readonly scales: boolean;
  /** Add an element of a tensor like the result. */
  readonly addsResidual: boolean;
  /** Bound it by 6 from above, after the rectifier. */
  readonly bounds: boolean;
}

/** All of them add a number for each element of the last axis, and rectify. */
const heads: ReadonlyMap<string, Kernel> = new Map([
  ["matmul", { scales: false, addsResidual: false, bounds: false }],
  ["conv2d", { scales: true, addsResidual: true, bounds: true }],
]);
const dtypes: ReadonlySet<string> = new Set(["float32", "float64"]);

/** What an addition or a multiplication of `sum` and something else leaves in the shape of `sum`: the something else. */
function otherOperand(node: GraphNode, name: string, sum: Value): Value | undefined {
  const [a, b] = node.inputs;
  const [output] = node.outputs;
  if (node.op.name !== name || !a || !b || !output || a === b || !sameShape(output.shape, sum.shape))
    return undefined;
  return a === sum ? b : a;
}

/** The operand with one number for each element of the last axis. */
export function perColumn(node: GraphNode, name: string, sum: Value): Value | undefined {
  const operand = otherOperand(node, name, sum);
  return operand?.shape.length === 1 && operand.shape[0] === sum.shape.at(-1) ? operand : undefined;
}

/** The nodes after a product that its kernel can do as well, in order: activation(scale·sum + bias + residual). */
function epilogueOf(
  head: GraphNode,
  kernel: Kernel,
  onlyReader: (value: Value) => GraphNode | undefined,
  isSix: (value: Value) => boolean,
): GraphNode[] {
  const chain: GraphNode[] = [];
  let value = head.outputs[0];
  const take = (fits: (node: GraphNode, sum: Value) => boolean): boolean => {
    const next = value && onlyReader(value);
    if (!next || !value || !fits(next, value)) return false;
    chain.push(next);
    value = next.outputs[0];
    return true;
  };
  if (kernel.scales) take((node, sum) => perColumn(node, "mul", sum) !== undefined);
  take((node, sum) => perColumn(node, "add", sum) !== undefined);
  if (kernel.addsResidual)
    take((node, sum) => sameShape(otherOperand(node, "add", sum)?.shape ?? [], sum.shape));
  if ((kernel.addsResidual || chain.length > 0) && take((node) => node.op.name === "relu") && kernel.bounds)
    take((node, sum) => isSix(otherOperand(node, "minimum", sum) ?? sum));
  return chain;
}

/**
 * A product, the bias added to it, and a rectifier become one node: the sums are finished while they are in registers,
 * instead of being read and written once more. A convolution's are also scaled before, have a residual added, and may be
 * bounded by 6. Only where nothing else reads what is between.
 */
export function fuseEpilogues(graph: Graph): Graph {
  const uses = useCounts(graph);
  const reader = new Map<Value, GraphNode>();
  for (const node of graph.nodes) for (const input of node.inputs) reader.set(input, node);
  const absorbed = new Set<GraphNode>();
  const onlyReader = (value: Value): GraphNode | undefined => {
    const node = uses.get(value) === 1 ? reader.get(value) : undefined;
    return node && absorbed.has(node) ? undefined : node;
  };
  const scalar = (value: Value): ConcreteTensor | undefined => {
    const tensor = graph.constants.get(value);
    return tensor?.shape.length === 0 ? tensor : undefined;
  };
  const isSix = (value: Value): boolean => scalar(value)?.item() === 6;

  const replacements = new Map<GraphNode, GraphNode>();
  for (const head of graph.nodes) {
    const kernel = heads.get(head.op.name);
    if (!kernel || !dtypes.has(head.outputs[0]?.dtype ?? "")) continue;
    const after = epilogueOf(head, kernel, onlyReader, isSix);
    const last = after.at(-1);
    if (!last) continue;
    // The fused node stands where its last part stood, so that what the parts read is made before it.
    const chain = [head, ...after];
    for (const part of chain) absorbed.add(part);
    replacements.set(last, joinNodes(chain, last.outputs, scalar));
  }
  const nodes = graph.nodes.flatMap((node) => {
    const replacement = replacements.get(node);
    if (replacement) return [replacement];
    return absorbed.has(node) ? [] : [node];
  });
  return withParts(graph, { nodes });
}
