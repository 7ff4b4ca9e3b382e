/** The node that stands for several: what fusing passes make. */
import type { ConcreteTensor } from "../../core/index.ts";
import type { Primitive } from "../../ops/index.ts";
import { type Graph, GraphBuilder, type Node, required, Value } from "../graph.ts";

/**
 * An operation whose meaning is its node's body. Only passes make such nodes, after differentiation and batching, so that it
 * has no rules.
 */
export function bodied(name: string): Primitive {
  return {
    name,
    dtypes: [],
    abstract: () => {
      throw new TypeError(`A ${name} takes its results from its body.`);
    },
    samples: () => [],
  };
}

/** Several operations that run as one. */
export const fusion: Primitive = bodied("fusion");

/**
 * Nodes, in order, as one node that makes `outputs`. What they read and none of them makes becomes its inputs; nodes that are
 * fusions themselves are taken apart. Constants that `embedded` knows go into the body.
 */
export function joinNodes(
  nodes: readonly Node[],
  outputs: readonly Value[],
  embedded: (value: Value) => ConcreteTensor | undefined = () => undefined,
): Node {
  const builder = new GraphBuilder();
  const inputs: Value[] = [];
  const inner = new Map<Value, Value>();
  const read = (value: Value): Value => {
    let own = inner.get(value);
    if (!own) {
      const tensor = embedded(value);
      own = tensor ? builder.constant(tensor) : builder.input(value);
      if (!tensor) inputs.push(value);
      inner.set(value, own);
    }
    return own;
  };
  for (const node of nodes) {
    const operands = node.inputs.map(read);
    if (node.body) {
      const results = splice(builder, node.body, operands);
      node.outputs.forEach((output, i) => {
        const result = results[i];
        if (result) inner.set(output, result);
      });
      continue;
    }
    const results = node.outputs.map((output) => new Value(output));
    node.outputs.forEach((output, i) => {
      inner.set(output, results[i] ?? output);
    });
    builder.nodes.push({ ...node, inputs: operands, outputs: results });
  }
  const body = builder.finish(outputs.map((output) => required(inner, output)));
  return { op: fusion, inputs, params: {}, outputs, body };
}

/** Writes a body's nodes on other operands; returns what stands for its outputs. */
function splice(builder: GraphBuilder, body: Graph, operands: readonly Value[]): Value[] {
  const mapped = new Map<Value, Value>();
  body.inputs.forEach((input, i) => {
    const operand = operands[i];
    if (operand) mapped.set(input, operand);
  });
  for (const [value, tensor] of body.constants) mapped.set(value, builder.constant(tensor));
  for (const node of body.nodes) {
    const outputs = node.outputs.map((output) => new Value(output));
    node.outputs.forEach((output, i) => {
      mapped.set(output, outputs[i] ?? output);
    });
    builder.nodes.push({ ...node, inputs: node.inputs.map((input) => required(mapped, input)), outputs });
  }
  return body.outputs.map((output) => required(mapped, output));
}
