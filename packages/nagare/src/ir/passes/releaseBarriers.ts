/** Barriers, taken away when the passes that they hold up have run. */
import type { Graph } from "../graph.ts";
import { rewriteGraph } from "./rewrite.ts";

/**
 * A barrier's result is its operand. Runs when no pass is left that merges equal computations, or that moves a computation of
 * the one to where the other is made.
 */
export function releaseBarriers(graph: Graph): Graph {
  return rewriteGraph(graph, ({ op, inputs }) => (op.name === "barrier" ? inputs : undefined));
}
