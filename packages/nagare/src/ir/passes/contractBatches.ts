/** Sums over a stack of matrix products, as one product. */
import type { Shape } from "../../core/index.ts";
import { sizeOf } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import { type Graph, type Node, useCounts, type Value } from "../graph.ts";
import { rewriteGraph } from "./rewrite.ts";

/** How many leading axes of the product stay when `axes` are summed; undefined unless those are its last leading axes. */
function keptBatchAxes(axes: readonly number[], rank: number): number | undefined {
  const kept = rank - 2 - axes.length;
  return axes.length > 0 && kept >= 0 && axes.every((axis, i) => axis === kept + i) ? kept : undefined;
}

/** Two stacks of the same leading sizes, so that no matrix is used twice. */
function sameBatch(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.slice(0, -2).every((size, axis) => size === b[axis]);
}

/** [kept…, summed…, rows, columns] as [kept…, summed · rows, columns], which moves no element. */
function stackRows(shape: Shape, kept: number): Shape {
  return [...shape.slice(0, kept), sizeOf(shape.slice(kept, -1)), ...shape.slice(-1)];
}

/**
 * Σᵢ AᵢᵀBᵢ = AᵀB, where A and B hold the rows of all Aᵢ and Bᵢ one below the other, as they lie in memory already. It is what
 * reverse mode makes of a dense layer over sequences: one product instead of a gradient for each example and their sum.
 * The sums run in another order; nothing is rounded that was not before.
 */
export function contractBatches(graph: Graph): Graph {
  const uses = useCounts(graph);
  const usedOnce = new Set<Value>([...uses].filter(([, count]) => count === 1).map(([value]) => value));
  return rewriteGraph(graph, (node, rewriter) => {
    const [sum] = node.inputs;
    const product =
      node.op.name === "reduceSum" && sum && usedOnce.has(sum) ? rewriter.producer(sum) : undefined;
    if (!product || !sum || !isTransposedStack(product)) return undefined;
    const [a, b] = product.inputs;
    const kept = keptBatchAxes(node.params.axes as readonly number[], sum.shape.length);
    if (kept === undefined || !a || !b || !sameBatch(a.shape, b.shape)) return undefined;
    const stacked = [a, b].map((x) => rewriter.emit(ops.reshape, [x], { shape: stackRows(x.shape, kept) }));
    return [rewriter.emit(product.op, stacked, product.params)];
  });
}

function isTransposedStack({ op, params }: Node): boolean {
  return op.name === "matmul" && params.transposeA === true && params.transposeB === false;
}
