/** Large products of a column and a row, as elementwise products. */
import { concreteSize, isConcrete } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import type { Graph, Node, Value } from "../graph.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

/** Small ones stay products: their updates then have the form of the others and are grouped with them. */
const minimalElements = 1 << 16;

/** The factor with its last two axes in the order in which the product reads them. One has size 1: no element moves. */
function oriented(factor: Value, transposed: boolean, rewriter: Rewriter): Value {
  if (!transposed) return factor;
  const [rows = 1, columns = 1] = factor.shape.slice(-2);
  return rewriter.emit(ops.reshape, [factor], { shape: [...factor.shape.slice(0, -2), columns, rows] });
}

function spread({ op, inputs: [a, b], outputs: [y], params, body }: Node, rewriter: Rewriter) {
  if (op.name !== "matmul" || body || !a || !b || !y || !isConcrete(y.shape)) return undefined;
  const terms = a.shape.at(params.transposeA ? -2 : -1);
  if (terms !== 1 || concreteSize(y.shape) < minimalElements) return undefined;
  // Narrower factors are multiplied more widely than elements are.
  if ([a, b, y].some(({ dtype }) => dtype !== "float32" && dtype !== "float64")) return undefined;
  const column = oriented(a, Boolean(params.transposeA), rewriter);
  const row = oriented(b, Boolean(params.transposeB), rewriter);
  return rewriter.emit(ops.mul, [column, row], {});
}

/**
 * x·yᵀ, such as the gradient of a weight from one example, = x times y in every place. What reads it computes it where it needs it:
 * an optimizer's update then neither waits for a matrix of gradients nor reads one.
 */
export function spreadOuterProducts(graph: Graph): Graph {
  return rewriteGraph(graph, (node, rewriter) => {
    const product = spread(node, rewriter);
    return product && [product];
  });
}
