/** Reductions of what elementwise chains make: no element of it reaches memory. */
import { isConcrete } from "../../core/index.ts";
import { type Graph, type Node, producers, useCounts, withParts } from "../graph.ts";
import { reductionTurns } from "../reductions.ts";
import { isDraw, isMovement } from "../view.ts";
import { isElementwise } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** Whether a node is a chain with one result that reductions can have made piece by piece. */
function makesInPieces(node: Node | undefined): node is Node {
  const [result, ...others] = node?.outputs ?? [];
  if (!node || !result || others.length > 0 || !isConcrete(result.shape)) return false;
  const parts = node.body?.nodes ?? [node];
  const isChain = parts.every((part) => isElementwise(part) || isMovement(part) || isDraw(part));
  return isChain && parts.some(isElementwise);
}

/**
 * A reduction and the elementwise chain that it alone reads become one node, in which each piece of the chain's result is
 * folded as soon as it is made. Over axes that are no neighbours it reduces in turns, of which the first reads the chain.
 * Runs after movements went into the chains, when it is known how those read their operands.
 */
export function reduceChains(graph: Graph): Graph {
  const uses = useCounts(graph);
  const producer = producers(graph);
  const gone = new Set<Node>();
  const joined = new Map<Node, readonly Node[]>();
  for (const node of graph.nodes) {
    const [x] = node.inputs;
    const [first, ...others] = reductionTurns(node) ?? [];
    if (!x || !first) continue;
    const chain = uses.get(x) === 1 ? producer.get(x) : undefined;
    if (makesInPieces(chain)) gone.add(chain);
    joined.set(node, [makesInPieces(chain) ? joinNodes([chain, first], first.outputs) : first, ...others]);
  }
  const nodes = graph.nodes.flatMap((node) => (gone.has(node) ? [] : (joined.get(node) ?? [node])));
  return withParts(graph, { nodes });
}
