/** Sums of matrix products, as one product with a longer inner size. */
import { concreteSize, isConcrete } from "../../core/index.ts";
import { builder as ops, type Params } from "../../ops/index.ts";
import type { Graph, Node, Value } from "../graph.ts";
import { haveSameFlags } from "./productFlags.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";
import { sumTrees } from "./sumTrees.ts";

/** A product of two matrices, not stacks of them. */
interface Product {
  readonly a: Value;
  readonly b: Value;
  readonly params: Params;
}

function productOf(node: Node | undefined): Product | undefined {
  const [a, b] = node?.inputs ?? [];
  if (node?.op.name !== "matmul" || !a || !b || a.shape.length !== 2 || b.shape.length !== 2)
    return undefined;
  if (!isConcrete(a.shape) || !isConcrete(b.shape)) return undefined;
  return { a, b, params: node.params };
}

/** Whether the factors of both can be put side by side. */
function areAlike(a: Product, b: Product): boolean {
  return haveSameFlags(a.params, b.params) && a.a.dtype === b.a.dtype;
}

/** The axis of each factor along which the products are summed. */
function innerAxes({ params }: Product): readonly [number, number] {
  return [params.transposeA ? 0 : 1, params.transposeB ? 1 : 0];
}

function sizeOfAll(values: readonly Value[]): number {
  return values.reduce((sum, { shape }) => sum + concreteSize(shape), 0);
}

/**
 * A₁B₁ + A₂B₂ + … = [A₁ A₂ …]·[B₁; B₂; …], where moving the factors together takes less than writing the products and reading
 * them for their sum. The gradient of a weight that a sequence uses at each step is such a sum: of products with as few inner
 * terms as there are examples, of results as large as the weight.
 */
export function sumProducts(graph: Graph): Graph {
  const trees = sumTrees(graph);
  return rewriteGraph(graph, (node, rewriter) => {
    const terms = trees.termsOf(node, rewriter.producer) ?? [];
    const products = new Map<Value, Product>();
    for (const term of terms) {
      const product = trees.usedOnce.has(term) ? productOf(rewriter.producer(term)) : undefined;
      const [first] = products.values();
      if (product && (!first || areAlike(first, product))) products.set(term, product);
    }
    const [first] = products.values();
    const [result] = node.outputs;
    const factors = [...products.values()].flatMap(({ a, b }) => [a, b]);
    // Both are read and written: the factors for their concatenation, all products but one for their sum.
    if (!first || !result || sizeOfAll(factors) >= (products.size - 1) * sizeOfAll([result]))
      return undefined;
    const [axisA, axisB] = innerAxes(first);
    const a = concat(
      [...products.values()].map((product) => product.a),
      axisA,
      rewriter,
    );
    const b = concat(
      [...products.values()].map((product) => product.b),
      axisB,
      rewriter,
    );
    const joined = rewriter.emit(ops.matmul, [a, b], first.params);
    const others = terms.filter((term) => !products.has(term));
    return [others.reduce((sum, term) => rewriter.emit(ops.add, [sum, term], {}), joined)];
  });
}

function concat(values: readonly Value[], axis: number, { emit }: Rewriter): Value {
  return emit(ops.concat, values, { axis });
}
