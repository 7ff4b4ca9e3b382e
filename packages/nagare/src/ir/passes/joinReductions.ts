/** Reductions that read the same, in one pass over it. */
import { concreteSize, isConcrete, sameShape } from "../../core/index.ts";
import { type Graph, type Node, type Value, withParts } from "../graph.ts";
import { reducedAxes, reductionsOf } from "../reductions.ts";
import { eliminateCommonSubexpressions } from "./eliminateCommonSubexpressions.ts";
import type { FuseLimits } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** How many reductions are carried out in one pass: each keeps the elements that it folds in the nearest cache. */
const maximalReductions = 4;

/** What a node reduces, where it does nothing else. */
function reducedBy(
  node: Node,
): { readonly first: Node; readonly x: Value; readonly count: number } | undefined {
  const reductions = reductionsOf(node);
  const [first] = reductions;
  const [x] = first?.inputs ?? [];
  const isDone = reductions.length === node.outputs.length;
  return first && x && isDone && isConcrete(x.shape) ? { first, x, count: reductions.length } : undefined;
}

/** One node for two that reduce what is of one shape in the same way, where they have an operand in common that is as large. */
function joinPair(a: Node, b: Node, limits: FuseLimits): Node | undefined {
  const [ofA, ofB] = [reducedBy(a), reducedBy(b)];
  if (!ofA || !ofB || ofA.count + ofB.count > maximalReductions) return undefined;
  const isAlike =
    ofA.first.op === ofB.first.op &&
    ofA.x.dtype === ofB.x.dtype &&
    sameShape(ofA.x.shape, ofB.x.shape) &&
    sameShape(reducedAxes(ofA.first) ?? [], reducedAxes(ofB.first) ?? []);
  const elements = concreteSize(ofA.x.shape);
  const isShared = (value: Value) => b.inputs.includes(value) && concreteSize(value.shape) >= elements;
  if (!isAlike || !a.inputs.some(isShared)) return undefined;
  const { body, ...joined } = joinNodes([a, b], [...a.outputs, ...b.outputs]);
  if (!body || joined.inputs.length > limits.maximalInputs || body.nodes.length > limits.maximalNodes)
    return undefined;
  return { ...joined, body: eliminateCommonSubexpressions(body) };
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
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at];
    if (!node || !reducedBy(node)) continue;
    for (let from = 0; from < at; from++) {
      const earlier = nodes[from];
      const joined = earlier && joinPair(earlier, node, limits);
      if (!joined) continue;
      const between = nodes.slice(from, at + 1);
      const later = dependents(between);
      if (later.has(node)) continue;
      const kept = between.slice(1, -1);
      const moved = [
        ...kept.filter((other) => !later.has(other)),
        joined,
        ...kept.filter((other) => later.has(other)),
      ];
      nodes = [...nodes.slice(0, from), ...moved, ...nodes.slice(at + 1)];
      // From the joined node on again: it may take further ones, and what moved behind it has not been looked at from there.
      at = nodes.indexOf(joined) - 1;
      break;
    }
  }
  return withParts(graph, { nodes });
}
