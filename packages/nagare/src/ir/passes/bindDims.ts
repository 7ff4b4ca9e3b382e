/** Symbolic dimensions replaced by the sizes of one call. */
import { type Aval, type DimBindings, evaluateDim, evaluateShape } from "../../core/index.ts";
import type { Param, Params } from "../../ops/index.ts";
import { type Graph, type Node, required, Value } from "../graph.ts";

function bindParam(param: Param, bindings: DimBindings): Param {
  if (typeof param === "symbol") return evaluateDim(param, bindings);
  if (Array.isArray(param)) return param.map((item) => bindParam(item, bindings));
  if (typeof param === "object" && param !== null) return bindParams(param as Params, bindings);
  return param;
}

function bindParams(params: Params, bindings: DimBindings): Params {
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key, bindParam(value, bindings)]));
}

/** The same graph with every dimension a number. Throws ShapeError for a dimension that `bindings` do not name. */
export function bindDims(graph: Graph, bindings: DimBindings): Graph {
  const mapped = new Map<Value, Value>();
  const bind = (value: Value): Value => {
    const aval: Aval = { shape: evaluateShape(value.shape, bindings), dtype: value.dtype };
    const bound = new Value(aval);
    mapped.set(value, bound);
    return bound;
  };
  const inputs = graph.inputs.map(bind);
  const constants = new Map([...graph.constants].map(([value, tensor]) => [bind(value), tensor]));
  const nodes = graph.nodes.map(
    (node): Node => ({
      ...node,
      inputs: node.inputs.map((input) => required(mapped, input)),
      params: bindParams(node.params, bindings),
      outputs: node.outputs.map(bind),
      ...(node.body ? { body: bindDims(node.body, bindings) } : {}),
    }),
  );
  const outputs = graph.outputs.map((output) => required(mapped, output));
  return { inputs, constants, nodes, outputs, aliases: graph.aliases };
}
