/** The verifier: what must be true of every graph, after tracing, after each pass and after loading. */
import { formatAval, NagareError, sameShape } from "../core/index.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { printGraph } from "./print.ts";

/**
 * Throws NagareError unless every value is defined once and before its use, every node's results have the shapes and
 * dtypes its operation gives, constants have their tensors' shapes, and aliases join equal avals, each input once.
 */
export function verifyGraph(graph: Graph, when: string): void {
  const fail = (what: string): never => {
    throw new NagareError(`The graph is not well-formed ${when}: ${what}\n${printGraph(graph)}`);
  };
  const defined = new Set<Value>();
  const define = (value: Value, what: string): void => {
    if (defined.has(value)) fail(`${what} defines a value a second time`);
    defined.add(value);
  };
  for (const [i, input] of graph.inputs.entries()) define(input, `input ${i}`);
  for (const [value, tensor] of graph.constants) {
    define(value, "a constant");
    if (!sameShape(value.shape, tensor.shape) || value.dtype !== tensor.dtype) {
      fail(`a constant of ${formatAval(tensor)} is declared as ${formatAval(value)}`);
    }
  }
  graph.nodes.forEach((node, i) => {
    const what = `node ${i} (${node.op.name})`;
    for (const input of node.inputs) if (!defined.has(input)) fail(`${what} reads a value before it is made`);
    checkResults(node, what, fail, when);
    for (const output of node.outputs) define(output, what);
  });
  for (const output of graph.outputs) if (!defined.has(output)) fail("an output is never made");
  const overwritten = new Set<number>();
  for (const { output, input } of graph.aliases) {
    const [to, from] = [graph.outputs[output], graph.inputs[input]];
    if (!to || !from || !sameShape(to.shape, from.shape) || to.dtype !== from.dtype) {
      throw fail(`output ${output} cannot overwrite input ${input}`);
    }
    if (overwritten.has(input)) fail(`input ${input} is overwritten twice`);
    overwritten.add(input);
  }
}

function checkResults(node: Node, what: string, fail: (what: string) => never, when: string): void {
  if (node.body) {
    verifyGraph(node.body, `${when}, inside ${what}`);
    const pairs = [
      [node.inputs, node.body.inputs],
      [node.outputs, node.body.outputs],
    ] as const;
    for (const [outer, inner] of pairs) {
      if (outer.length !== inner.length) fail(`${what} and its body differ in their number of values`);
    }
  }
  const expected = node.body ? node.body.outputs : node.op.abstract(node.inputs, node.params);
  if (expected.length !== node.outputs.length)
    fail(`${what} has ${node.outputs.length} results, not ${expected.length}`);
  expected.forEach((aval, k) => {
    const output = node.outputs[k];
    if (!output || !sameShape(aval.shape, output.shape) || aval.dtype !== output.dtype) {
      fail(`${what} makes ${formatAval(aval)} but is declared as ${output ? formatAval(output) : "nothing"}`);
    }
  });
}
