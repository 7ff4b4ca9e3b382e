/** Dead-code elimination. */
import { type Graph, type Node, type Value, withParts } from "../graph.ts";

/** Drops the nodes and constants that no output depends on. Inputs stay: they are the function's signature. */
export function eliminateDeadCode(graph: Graph): Graph {
  const live = new Set<Value>(graph.outputs);
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => live.has(output))) continue;
    for (const input of node.inputs) live.add(input);
    nodes.push(node);
  }
  const constants = new Map([...graph.constants].filter(([value]) => live.has(value)));
  return withParts(graph, { nodes: nodes.reverse(), constants });
}
