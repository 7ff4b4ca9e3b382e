/** Reductions that read the same, in one pass over it. */
import { concreteSize, isConcrete, sameShape } from "../../core/index.ts";
import { type Graph, type Node, type Value, withParts } from "../graph.ts";
import { reducedAxes, reductionsOf } from "../reductions.ts";
import { eliminateCommonSubexpressions } from "./eliminateCommonSubexpressions.ts";
import type { FuseLimits } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** How many reductions are carried out in one pass: each keeps the elements that it folds in the nearest cache. */
const maximalReductions = 4;

/** A node that reduces and does nothing else: the first of its reductions, what that reads, and how many there are. */
interface Reducing {
  readonly node: Node;
  readonly first: Node;
  readonly x: Value;
  readonly count: number;
}

function asReducing(node: Node): Reducing | undefined {
  const reductions = reductionsOf(node);
  const [first] = reductions;
  const [x] = first?.inputs ?? [];
  const isDone = reductions.length === node.outputs.length;
  return first && x && isDone && isConcrete(x.shape)
    ? { node, first, x, count: reductions.length }
    : undefined;
}

/** One node for two that reduce what is of one shape in the same way, where they have an operand in common that is as large. */
function joinPair(a: Reducing, b: Reducing, limits: FuseLimits): Node | undefined {
  const isAlike =
    a.first.op === b.first.op &&
    a.x.dtype === b.x.dtype &&
    a.count + b.count <= maximalReductions &&
    sameShape(a.x.shape, b.x.shape) &&
    sameShape(reducedAxes(a.first) ?? [], reducedAxes(b.first) ?? []);
  const elements = concreteSize(a.x.shape);
  const isShared = (value: Value) => b.node.inputs.includes(value) && concreteSize(value.shape) >= elements;
  if (!isAlike || !a.node.inputs.some(isShared)) return undefined;
  const { body, ...joined } = joinNodes([a.node, b.node], [...a.node.outputs, ...b.node.outputs]);
  const fits =
    joined.inputs.length <= limits.maximalInputs && Number(body?.nodes.length) <= limits.maximalNodes;
  return body && fits ? { ...joined, body: eliminateCommonSubexpressions(body) } : undefined;
}

/** The nodes that need a result of the first, directly or not. */
function dependents([first, ...others]: readonly Node[]): Set<Node> {
  const made = new Set(first?.outputs);
  const found = new Set<Node>();
  for (const node of others) {
    if (!node.inputs.some((input) => made.has(input))) continue;
    found.add(node);
    for (const output of node.outputs) made.add(output);
  }
  return found;
}

/**
 * Reductions of one kind over the same axes, of a large value and of what chains make of it, become one node with several results:
 * what they share is read once. It stands where the last of them stood, and what needs an earlier one's result behind it.
 */
export function joinReductions(graph: Graph, limits: FuseLimits): Graph {
  let nodes = [...graph.nodes];
  let before: Reducing[] = [];
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at];
    const reducing = node && asReducing(node);
    if (!node || !reducing) continue;
    const known = before.length;
    for (const earlier of before) {
      const joined = joinPair(earlier, reducing, limits);
      if (!joined) continue;
      const start = nodes.indexOf(earlier.node);
      const between = nodes.slice(start, at + 1);
      const later = dependents(between);
      if (later.has(node)) continue;
      const kept = between.slice(1, -1);
      const ahead = kept.filter((other) => !later.has(other));
      nodes = [
        ...nodes.slice(0, start),
        ...ahead,
        joined,
        ...kept.filter((other) => later.has(other)),
        ...nodes.slice(at + 1),
      ];
      before = before.filter((other) => other !== earlier && !later.has(other.node));
      // From the joined node on again: it may take further ones, as may what moved behind it.
      at = start + ahead.length - 1;
      break;
    }
    if (before.length === known) before.push(reducing);
  }
  return withParts(graph, { nodes });
}
