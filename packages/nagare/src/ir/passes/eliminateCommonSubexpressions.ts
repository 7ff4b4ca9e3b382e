/** Common-subexpression elimination. */
import { paramKey } from "../../ops/index.ts";
import type { Graph, Value } from "../graph.ts";
import { rewriteGraph } from "./rewrite.ts";

/**
 * Two nodes with equal operation, parameters and inputs become one.
 * Linear in the number of nodes: inputs are already canonical when a node is visited.
 */
export function eliminateCommonSubexpressions(graph: Graph): Graph {
  const ids = new Map<Value, number>();
  const id = (value: Value): number => {
    let known = ids.get(value);
    if (known === undefined) {
      known = ids.size;
      ids.set(value, known);
    }
    return known;
  };
  const seen = new Map<string, readonly Value[]>();
  return rewriteGraph(graph, (node) => {
    if (node.body) return undefined;
    const key = `${node.op.name}(${node.inputs.map(id).join(",")})${paramKey(node.params)}`;
    const first = seen.get(key);
    if (first) return first;
    seen.set(key, node.outputs);
    return undefined;
  });
}
