/** Gradient descent on rows picked by number, without the gradient of the others. */
import { concreteSize, isConcrete } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import { type Graph, type Node, useCounts, type Value } from "../graph.ts";
import type { HasKernel } from "./decompose.ts";
import { rewriteGraph } from "./rewrite.ts";

/** x and rate·gradient of a step x − rate·gradient, where the product has no other reader. */
function stepOf(
  node: Node,
  makerOf: (value: Value) => Node | undefined,
): { x: Value; rate: Value; gradient: Value } | undefined {
  const [x, change] = node.inputs;
  const product = node.op.name === "sub" && change ? makerOf(change) : undefined;
  const [a, b] = product?.op.name === "mul" ? product.inputs : [];
  if (!x || !a || !b) return undefined;
  return a.shape.length === 0 ? { x, rate: a, gradient: b } : { x, rate: b, gradient: a };
}

/**
 * x − rate·scatterAdd(updates, indices), what SGD makes of an embedding, becomes `subtractRows` where the indices are fewer
 * than the rows: the gradient of all rows, which is zero for most, is neither made nor read.
 */
export function updateRows(graph: Graph, hasKernel: HasKernel): Graph {
  const uses = useCounts(graph);
  return rewriteGraph(graph, (node, rewriter) => {
    const onlyMaker = (value: Value): Node | undefined =>
      uses.get(value) === 1 ? rewriter.producer(value) : undefined;
    const step = stepOf(node, onlyMaker);
    const scatter = step && onlyMaker(step.gradient);
    const [updates, indices] = scatter?.inputs ?? [];
    if (!step || scatter?.op.name !== "scatterAdd" || !updates || !indices) return undefined;
    const { axis, batchAxes } = scatter.params;
    const operands = [step.x, indices, updates, step.rate];
    const sparse = isConcrete(indices.shape) && concreteSize(indices.shape) < Number(step.x.shape[0]);
    const fits = axis === 0 && batchAxes === 0 && sparse && step.rate.shape.length === 0;
    if (!fits || step.x.shape.length !== step.gradient.shape.length) return undefined;
    if (!hasKernel(ops.subtractRows, operands, {})) return undefined;
    return rewriter.add(ops.subtractRows, operands, {});
  });
}
