/** Fusion of elementwise operations into single passes over memory. */
import { concreteSize, isConcrete, type Shape, sameShape } from "../../core/index.ts";
import { type Graph, type Node, producers, required, useCounts, type Value, withParts } from "../graph.ts";
import { joinNodes } from "./fusion.ts";

/** How large one fused node may grow: a tile interpreter keeps every live value of a tile in its cache. */
export interface FuseLimits {
  readonly maximalNodes: number;
  readonly maximalInputs: number;
}

interface Group {
  readonly nodes: Node[];
  readonly shape: Shape;
}

export function isElementwise(node: Node): boolean {
  return node.op.scalar !== undefined || node.op.name === "convert" || node.op.name === "stopGradient";
}

/**
 * Joins an elementwise node to the group of a producer with the same shape, unless the group would then wait for
 * itself through some node outside of it. Results that nothing outside reads never reach memory.
 */
export function fuseElementwise(graph: Graph, limits: FuseLimits): Graph {
  const producer = producers(graph);
  const groupOf = new Map<Node, Group>();
  const units = new Map<Node | Group, Node[]>();
  const unitOf = (node: Node): Node | Group => groupOf.get(node) ?? node;
  const nodesOf = (unit: Node | Group): readonly Node[] => ("op" in unit ? [unit] : unit.nodes);

  /** Whether `from` needs a result of `target`, directly or not. */
  const dependsOn = (from: Node | Group, target: Group, seen: Set<Node | Group>): boolean => {
    if (from === target) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    for (const node of nodesOf(from)) {
      for (const input of node.inputs) {
        const made = producer.get(input);
        if (made && unitOf(made) !== from && dependsOn(unitOf(made), target, seen)) return true;
      }
    }
    return false;
  };
  const inputCount = (nodes: readonly Node[]): number => {
    const made = new Set(nodes.flatMap((node) => node.outputs));
    return new Set(nodes.flatMap((node) => node.inputs).filter((input) => !made.has(input))).size;
  };
  const accepts = (group: Group, node: Node): boolean => {
    if (!sameShape(group.shape, node.outputs[0]?.shape ?? [])) return false;
    if (group.nodes.length >= limits.maximalNodes) return false;
    if (inputCount([...group.nodes, node]) > limits.maximalInputs) return false;
    const seen = new Set<Node | Group>();
    return node.inputs.every((input) => {
      const made = producer.get(input);
      if (!made || groupOf.get(made) === group) return true;
      return !dependsOn(unitOf(made), group, seen);
    });
  };

  for (const node of graph.nodes) {
    if (!isElementwise(node)) continue;
    const shape = node.outputs[0]?.shape ?? [];
    const candidates = new Set<Group>();
    for (const input of node.inputs) {
      const made = producer.get(input);
      const group = made && groupOf.get(made);
      if (group) candidates.add(group);
    }
    let joined: Group | undefined;
    for (const candidate of candidates) {
      if (!joined) {
        if (accepts(candidate, node)) {
          candidate.nodes.push(node);
          groupOf.set(node, candidate);
          joined = candidate;
        }
      } else if (mergeable(joined, candidate)) {
        for (const member of candidate.nodes) groupOf.set(member, joined);
        joined.nodes.unshift(...candidate.nodes);
      }
    }
    if (!joined) groupOf.set(node, { nodes: [node], shape });
  }

  function mergeable(a: Group, b: Group): boolean {
    if (!sameShape(a.shape, b.shape) || a.nodes.length + b.nodes.length > limits.maximalNodes) return false;
    if (inputCount([...a.nodes, ...b.nodes]) > limits.maximalInputs) return false;
    const outside = (group: Group, target: Group): boolean =>
      group.nodes.some((member) =>
        member.inputs.some((input) => {
          const made = producer.get(input);
          const unit = made && unitOf(made);
          return unit !== undefined && unit !== a && unit !== b && dependsOn(unit, target, new Set());
        }),
      );
    return !outside(a, b) && !outside(b, a);
  }

  for (const node of graph.nodes) {
    const unit = unitOf(node);
    if (!units.has(unit)) units.set(unit, [...nodesOf(unit)]);
  }
  const order = new Map(graph.nodes.map((node, i) => [node, i]));
  const counts = useCounts(graph);
  const ordered: Node[] = [];
  const emitted = new Set<Node | Group>();
  const emit = (unit: Node | Group): void => {
    if (emitted.has(unit)) return;
    emitted.add(unit);
    for (const node of nodesOf(unit)) {
      for (const input of node.inputs) {
        const made = producer.get(input);
        if (made && unitOf(made) !== unit) emit(unitOf(made));
      }
    }
    if ("op" in unit) ordered.push(unit);
    else ordered.push(fusedNode(unit, order, counts, graph));
  };
  // A group stands where its last node stood, or earlier where somebody needs it: sooner, all that it waits for would be made, and
  // kept, before its time.
  for (const node of graph.nodes) if (nodesOf(unitOf(node)).at(-1) === node) emit(unitOf(node));
  return withParts(graph, { nodes: ordered });
}

function fusedNode(
  group: Group,
  order: ReadonlyMap<Node, number>,
  counts: ReadonlyMap<Value, number>,
  graph: Graph,
): Node {
  const nodes = group.nodes.toSorted((a, b) => required(order, a) - required(order, b));
  const [first] = nodes;
  if (nodes.length === 1 && first) return first;
  const inside = new Map<Value, number>();
  for (const node of nodes) for (const input of node.inputs) inside.set(input, (inside.get(input) ?? 0) + 1);
  const outputs = nodes
    .flatMap((node) => node.outputs)
    .filter((output) => (counts.get(output) ?? 0) > (inside.get(output) ?? 0));
  return joinNodes(nodes, outputs, (value) => {
    const tensor = graph.constants.get(value);
    return tensor && isConcrete(value.shape) && concreteSize(value.shape) === 1 ? tensor : undefined;
  });
}
