/** Graphs as text: one line a node, in order. */
import { type Dim, formatAval, formatDim } from "../core/index.ts";
import type { Param } from "../ops/index.ts";
import type { Graph, Value } from "./graph.ts";

const namesLimit = 8;

function formatParam(param: Param): string {
  if (typeof param === "symbol") return formatDim(param as Dim);
  if (Array.isArray(param)) return `[${param.map(formatParam).join(", ")}]`;
  if (typeof param === "object" && param !== null) {
    return `{${Object.entries(param)
      .map(([key, value]) => `${key}: ${formatParam(value as Param)}`)
      .join(", ")}}`;
  }
  return String(param);
}

function constantText(graph: Graph, value: Value): string {
  const tensor = graph.constants.get(value);
  if (!tensor || value.shape.length > 1) return formatAval(value);
  const elements = Array.from(tensor.dataSync() as ArrayLike<number | bigint>);
  const text =
    elements.length <= namesLimit ? elements.join(", ") : `${elements.slice(0, namesLimit).join(", ")}, …`;
  return `${formatAval(value)} ${value.shape.length === 0 ? text : `[${text}]`}`;
}

/**
 * The text of a graph, such as
 * ```
 * graph(%0: float32[2, 3]) -> (%2)
 *   %1: float32[] = constant 0.5
 *   %2: float32[2, 3] = mul(%0, %1)
 * ```
 */
export function printGraph(graph: Graph): string {
  const names = new Map<Value, string>();
  const name = (value: Value): string => {
    let known = names.get(value);
    if (!known) {
      known = `%${names.size}`;
      names.set(value, known);
    }
    return known;
  };
  const lines: string[] = [];
  const write = (part: Graph, indent: string): void => {
    const aliased = new Map(part.aliases.map(({ output, input }) => [output, input]));
    const inputs = part.inputs.map((input) => `${name(input)}: ${formatAval(input)}`);
    const body: string[] = [];
    for (const value of part.constants.keys())
      body.push(`${indent}  ${name(value)}: constant ${constantText(part, value)}`);
    lines.push("");
    const head = lines.length - 1;
    lines.push(...body);
    for (const node of part.nodes) {
      const params = Object.entries(node.params)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => `${key}: ${formatParam(value)}`);
      const results = node.outputs.map((output) => `${name(output)}: ${formatAval(output)}`);
      const operands = [...node.inputs.map(name), ...(params.length > 0 ? [`{ ${params.join(", ")} }`] : [])];
      lines.push(`${indent}  ${results.join(", ")} = ${node.op.name}(${operands.join(", ")})`);
      if (node.body) write(node.body, `${indent}    `);
    }
    const outputs = part.outputs.map((output, i) => {
      const input = aliased.get(i);
      const over = input === undefined ? undefined : part.inputs[input];
      return over ? `${name(output)} over ${name(over)}` : name(output);
    });
    lines[head] = `${indent}graph(${inputs.join(", ")}) -> (${outputs.join(", ")})`;
  };
  write(graph, "");
  return lines.join("\n");
}
