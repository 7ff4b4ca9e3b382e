/** Updates of the same form, such as an optimizer's of all parameters, as one node. */
import { concreteSize, isConcrete, sameShape } from "../../core/index.ts";
import type { Primitive } from "../../ops/index.ts";
import { type Graph, GraphBuilder, type Node, Value, withParts } from "../graph.ts";
import { isElementwise } from "./fuse.ts";
import { bodied } from "./fusion.ts";

/** Nodes that run side by side: the nodes of its body, of which none reads what another makes. */
export const group: Primitive = bodied("group");

/** The nodes of a group on the group's own operands and results; of any other node, itself. */
export function membersOf(node: Node): readonly Node[] {
  const { body } = node;
  if (node.op !== group || !body) return [node];
  const outer = new Map<Value, Value>();
  const pairs = [
    [body.inputs, node.inputs],
    [body.outputs, node.outputs],
  ] as const;
  for (const [inside, outside] of pairs)
    inside.forEach((value, i) => {
      outer.set(value, outside[i] ?? value);
    });
  const outside = (value: Value): Value => outer.get(value) ?? value;
  return body.nodes.map((member) => ({
    ...member,
    inputs: member.inputs.map(outside),
    outputs: member.outputs.map(outside),
  }));
}

/**
 * Elementwise nodes that make nothing but outputs of the graph, and differ in nothing but the shape they run over, become one
 * node: what an optimizer does to every parameter and its moments is one instruction, not one for each parameter. Operands
 * have the shape of the results, or one element.
 */
export function groupUpdates(graph: Graph): Graph {
  const read = new Set(graph.nodes.flatMap((node) => node.inputs));
  const byForm = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (node.outputs.some((output) => read.has(output))) continue;
    const form = formOf(node, graph);
    if (form === undefined) continue;
    const alike = byForm.get(form);
    if (alike) alike.push(node);
    else byForm.set(form, [node]);
  }
  // Nothing waits for the members: where the last one stands, the operands of all are made.
  const groupAt = new Map<Node, Node | undefined>();
  for (const members of byForm.values()) {
    if (members.length < 2) continue;
    members.forEach((member, i) => {
      groupAt.set(member, i === members.length - 1 ? groupOf(members) : undefined);
    });
  }
  const nodes = graph.nodes.flatMap((node) => (groupAt.has(node) ? (groupAt.get(node) ?? []) : [node]));
  return withParts(graph, { nodes });
}

function groupOf(members: readonly Node[]): Node {
  const builder = new GraphBuilder();
  const inputs = [...new Set(members.flatMap((member) => member.inputs))];
  const inner = new Map(inputs.map((input) => [input, builder.input(input)]));
  const results: Value[] = [];
  for (const member of members) {
    const outputs = member.outputs.map((output) => new Value(output));
    results.push(...outputs);
    builder.nodes.push({
      ...member,
      inputs: member.inputs.map((input) => inner.get(input) ?? input),
      outputs,
    });
  }
  const outputs = members.flatMap((member) => member.outputs);
  return { op: group, inputs, params: {}, outputs, body: builder.finish(results) };
}

/** A constant of one element as text. */
function constantText(value: Value, { constants }: Graph): string | undefined {
  const tensor = constants.get(value);
  if (!tensor || !hasOneElement(value)) return undefined;
  const [element = 0] = Array.from(tensor.dataSync() as ArrayLike<number | bigint>);
  return `${value.dtype} ${Object.is(element, -0) ? "-0" : element}`;
}

function hasOneElement({ shape }: Value): boolean {
  return isConcrete(shape) && concreteSize(shape) === 1;
}

/** What nodes of a group agree in, as text; undefined for a node that is not of the kind. */
function formOf(node: Node, graph: Graph): string | undefined {
  const { body } = node;
  const [result] = node.outputs;
  const parts = body?.nodes ?? [node];
  if (!result || !isConcrete(result.shape) || !parts.every(isElementwise)) return undefined;
  const names = new Map<Value, string>();
  for (const [i, input] of node.inputs.entries()) {
    const whole = sameShape(input.shape, result.shape);
    if (!whole && !hasOneElement(input)) return undefined;
    const text = constantText(input, graph) ?? `${i}: ${input.dtype}${whole ? "" : ", one"}`;
    names.set(body?.inputs[i] ?? input, text);
  }
  const name = (value: Value): string => names.get(value) ?? (body && constantText(value, body)) ?? "";
  const lines = parts.map((part, n) => {
    const line = `${part.op.name}(${part.inputs.map(name).join("; ")}) ${JSON.stringify(part.params)}`;
    part.outputs.forEach((output, i) => {
      names.set(output, `${n}.${i}: ${output.dtype}`);
    });
    return line;
  });
  return [...lines, (body?.outputs ?? node.outputs).map(name).join("; ")].join("\n");
}
