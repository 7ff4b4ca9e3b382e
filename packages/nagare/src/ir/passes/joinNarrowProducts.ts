/** Narrow matrix products of one factor, as one product. */
import { concreteSize, isConcrete } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import { type Graph, type Node, producers, type Value } from "../graph.ts";
import { haveSameFlags } from "./productFlags.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

/**
 * Measured with the native engine: two or three products of 1 to 12 columns with a common factor of 2¹⁶ elements or more take
 * 0.6 to 0.96 of their time as one. Wider ones fill the kernel's registers by themselves (queries, keys and values of 32 to 384
 * columns: 0.99 to 1.07), and beside smaller factors the joining costs more than it saves (1.1 to 3).
 */
const fewColumns = 16;
const minimalFactor = 1 << 16;

/** The columns of a product that is narrow enough. */
function narrowColumns({ op, inputs: [a, b], params }: Node): number | undefined {
  if (op.name !== "matmul" || a?.shape.length !== 2 || b?.shape.length !== 2) return undefined;
  if (!isConcrete(a.shape) || !isConcrete(b.shape) || concreteSize(a.shape) < minimalFactor) return undefined;
  const columns = Number(b.shape[params.transposeB ? 0 : 1]);
  return columns < fewColumns ? columns : undefined;
}

/** Products that read one factor in one way, where the other factors are known when the first of them runs. */
function groupsOf(graph: Graph): Map<Node, Node[]> {
  const makers = producers(graph);
  const order = new Map(graph.nodes.map((node, i) => [node, i]));
  const groups = new Map<Node, Node[]>();
  const firsts = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    const [a, b] = node.inputs;
    if (!a || !b || narrowColumns(node) === undefined) continue;
    const maker = makers.get(b);
    const known = firsts.get(a) ?? [];
    const first = known.find(({ params }) => haveSameFlags(params, node.params));
    if (!first) {
      firsts.set(a, [...known, node]);
      groups.set(node, [node]);
    } else if (!maker || (order.get(maker) ?? 0) < (order.get(first) ?? 0)) {
      groups.get(first)?.push(node);
    }
  }
  return groups;
}

/** A·B₁, A·B₂, … = the columns of A·[B₁ B₂ …]: A is read once, and the kernel's registers are full. */
export function joinNarrowProducts(graph: Graph): Graph {
  const groups = groupsOf(graph);
  const columnsOf = new Map<Value, Value>();
  const originals = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node])));
  return rewriteGraph(graph, ({ outputs: [output] }, rewriter) => {
    const original = output && originals.get(output);
    const group = (original && groups.get(original)) ?? [];
    if (group.length > 1) joinInto(columnsOf, group, rewriter);
    const columns = output && columnsOf.get(output);
    return columns && [columns];
  });
}

/** Writes the joined product, and notes which of its columns each result is. */
function joinInto(columnsOf: Map<Value, Value>, group: readonly Node[], { current, emit }: Rewriter): void {
  const [first] = group;
  const [a] = first?.inputs ?? [];
  if (!first || !a) return;
  const factors = group.flatMap(({ inputs: [, b] }) => (b ? [current(b)] : []));
  const joined = emit(ops.concat, factors, { axis: first.params.transposeB ? 0 : 1 });
  const product = emit(first.op, [current(a), joined], first.params);
  let start = 0;
  for (const node of group) {
    const [output] = node.outputs;
    const end = start + (narrowColumns(node) ?? 0);
    const limits = [product.shape[0] ?? 0, end];
    if (output)
      columnsOf.set(output, emit(ops.slice, [product], { starts: [0, start], limits, strides: [1, 1] }));
    start = end;
  }
}
