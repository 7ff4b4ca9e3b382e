/** Fused operations without a kernel, replaced by what they mean. */
import { ConcreteTensor } from "../../core/index.ts";
import { expand, type Params, type Primitive } from "../../ops/index.ts";
import type { Graph, Value } from "../graph.ts";
import { rewriteGraph } from "./rewrite.ts";

/** Whether the backend at hand has a kernel for a fused operation on these operands. */
export type HasKernel = (op: Primitive, inputs: readonly Value[], params: Params) => boolean;

/**
 * Replaces each fused operation that the backend has no kernel for by its decomposition, also inside the decompositions
 * of others.
 */
export function decomposeFused(graph: Graph, hasKernel: HasKernel): Graph {
  return rewriteGraph(graph, (node, { builder, add }) => {
    const toValue = (x: Value | ConcreteTensor): Value =>
      x instanceof ConcreteTensor ? builder.constant(x) : x;
    const isWhole = (op: Primitive, inputs: readonly Value[], params: Params): boolean =>
      !op.decompose || hasKernel(op, inputs, params);
    const expandInto = (op: Primitive, inputs: readonly Value[], params: Params): Value[] =>
      expand<Value>(op, inputs, params, (inner, operands, innerParams) => {
        const values = operands.map(toValue);
        return isWhole(inner, values, innerParams)
          ? add(inner, values, innerParams)
          : expandInto(inner, values, innerParams);
      }).map(toValue);
    return isWhole(node.op, node.inputs, node.params)
      ? undefined
      : expandInto(node.op, node.inputs, node.params);
  });
}
