/** Common-subexpression elimination. */
import type { Param } from "../../ops/index.ts";
import type { Graph, Value } from "../graph.ts";
import { rewriteGraph } from "./rewrite.ts";

function paramKey(param: Param): string {
  if (typeof param === "symbol") return `@${param.description}`;
  if (Array.isArray(param)) return `[${param.map(paramKey).join(",")}]`;
  if (typeof param === "object" && param !== null) {
    return `{${Object.entries(param)
      .map(([key, value]) => `${key}:${paramKey(value as Param)}`)
      .join(",")}}`;
  }
  // -0 and 0 are different constants, and strings must not read as numbers.
  if (typeof param === "string") return JSON.stringify(param);
  return Object.is(param, -0) ? "-0" : `${typeof param}${String(param)}`;
}

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
