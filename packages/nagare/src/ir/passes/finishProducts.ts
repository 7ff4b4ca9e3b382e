/** Elementwise operations on the results of a matrix product, carried out while those are in the cache. */
import { sameShape } from "../../core/index.ts";
import { type Graph, type Node, readersByValue, type Value, withParts } from "../graph.ts";
import { isElementwise } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** The dtypes in which matrix kernels hand finished sums on. */
const dtypes: ReadonlySet<string> = new Set(["float32", "float64"]);
/** One instruction of a kernel makes results of so many axes. */
const maximalRank = 4;

function isProduct(node: Node): boolean {
  return (node.body?.nodes ?? [node]).some(({ op }) => op.name === "matmul");
}

/** Whether a node computes one value of this shape and dtype, element by element. */
function finishes(node: Node, sum: Value): boolean {
  const [result, ...others] = node.outputs;
  const elementwise = isElementwise(node) || (node.body?.nodes.every(isElementwise) ?? false);
  if (!elementwise || !result || others.length > 0) return false;
  return result.dtype === sum.dtype && sameShape(result.shape, sum.shape);
}

/**
 * A matrix product and the elementwise operations that alone read it become one node: activations, scales, residuals. The
 * kernel carries them out on each block of rows as soon as its sums are complete. Runs after elementwise operations were
 * joined; the node stands where they stood, so that whatever else they read is made before it.
 */
export function finishProducts(graph: Graph): Graph {
  let current = graph;
  for (;;) {
    const next = finishOnce(current);
    if (next === current) return current;
    current = next;
  }
}

/** Each product with one reader; the same graph where there is none. */
function finishOnce(graph: Graph): Graph {
  const results = new Set(graph.outputs);
  const readers = readersByValue(graph);
  const finished = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const [sum] = node.outputs;
    if (!sum || !dtypes.has(sum.dtype) || sum.shape.length > maximalRank) continue;
    if (!isProduct(node) || results.has(sum)) continue;
    const [reader, ...others] = readers.get(sum) ?? [];
    // Of several products that it reads, it finishes the last one.
    if (reader && others.length === 0 && finishes(reader, sum)) finished.set(reader, node);
  }
  if (finished.size === 0) return graph;
  const gone = new Set(finished.values());
  return withParts(graph, {
    nodes: graph.nodes.flatMap((node) => {
      const product = finished.get(node);
      if (product) return [joinNodes([product, node], node.outputs)];
      return gone.has(node) ? [] : [node];
    }),
  });
}
