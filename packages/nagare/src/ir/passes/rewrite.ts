/** Rewriting a graph node by node: what most passes are made of. */
import type { Params, Primitive } from "../../ops/index.ts";
import { type Graph, GraphBuilder, type Node, Value } from "../graph.ts";

/** What a rewrite may do with the node it is shown, whose inputs have been rewritten already. */
export interface Rewriter {
  readonly builder: GraphBuilder;
  /** The node (of the new graph) that makes a value, if a node does. */
  producer(value: Value): Node | undefined;
  /** What stands in the new graph for a value of the old one that has been made already. */
  current(value: Value): Value;
  /** Adds a node to the new graph and returns its results. */
  add(op: Primitive, inputs: readonly Value[], params: Params): readonly Value[];
  /** Adds a node to the new graph and returns its only result. */
  emit(op: Primitive, inputs: readonly Value[], params: Params): Value;
}

/**
 * Visits nodes in order. `replace` returns the values that stand for the node's results, or undefined to keep the node.
 * Constants that nothing reads any more stay until dead code is eliminated.
 */
export function rewriteGraph(
  graph: Graph,
  replace: (node: Node, rewriter: Rewriter) => readonly Value[] | undefined,
): Graph {
  const builder = new GraphBuilder();
  const made = new Map<Value, Node>();
  const mapped = new Map<Value, Value>();
  builder.inputs.push(...graph.inputs);
  for (const [value, tensor] of graph.constants) mapped.set(value, builder.constant(tensor));
  const current = (value: Value): Value => mapped.get(value) ?? value;
  const note = (from: number): void => {
    for (const node of builder.nodes.slice(from)) for (const output of node.outputs) made.set(output, node);
  };
  const rewriter: Rewriter = {
    builder,
    producer: (value) => made.get(value),
    current,
    add(op, inputs, params) {
      const from = builder.nodes.length;
      const outputs = builder.add(op, inputs, params);
      note(from);
      return outputs;
    },
    emit(op, inputs, params) {
      const [output] = rewriter.add(op, inputs, params);
      return output ?? new Value({ shape: [], dtype: "float32" });
    },
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(current);
    const visited: Node = { ...node, inputs };
    const results = replace(visited, rewriter);
    if (results) {
      for (const [i, output] of node.outputs.entries()) mapped.set(output, results[i] ?? output);
    } else {
      builder.nodes.push(visited);
      for (const output of visited.outputs) made.set(output, visited);
    }
  }
  return builder.finish(graph.outputs.map(current), graph.aliases);
}
