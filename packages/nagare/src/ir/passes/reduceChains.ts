/** Reductions of what elementwise chains make: no element of it reaches memory. */
import { isConcrete } from "../../core/index.ts";
import { type Graph, type Node, producers, useCounts, withParts } from "../graph.ts";
import { bodyReadings, broadcastStrides, denseView, isDraw, isMovement } from "../view.ts";
import { isElementwise } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** What the backend's reductions take from a chain as fast as they read memory. */
export interface ReduceLimits {
  /** Operands that do not lie as the chain's result does are read in runs of at least so many elements. */
  readonly minimalRun: number;
}

const reductions: ReadonlySet<string> = new Set(["reduceSum", "reduceProd", "reduceMax", "reduceMin"]);

/** Whether a node reduces neighbouring axes: others are reduced in turns. */
function reducesNeighbours({ op, params }: Node): boolean {
  const axes = params.axes as readonly number[] | undefined;
  if (!reductions.has(op.name) || !axes) return false;
  return axes.every((axis, i) => i === 0 || axis === (axes[i - 1] ?? axis) + 1);
}

/** The strides, over the elements of a chain's result, of what its elementwise operations read. */
function stridesRead(chain: Node, shape: readonly number[]): readonly (readonly number[])[] {
  const { body } = chain;
  const readings = body && bodyReadings(chain, body);
  const views = (body?.nodes ?? [chain])
    .filter(isElementwise)
    .flatMap(({ inputs }) =>
      inputs.map((input) => (readings ? readings.get(input)?.view : denseView(input))),
    );
  return views.flatMap((view) => (view ? [broadcastStrides(view, shape)] : []));
}

/** How many elements, from the last axis on, all of these strides step over in one loop. */
function runOf(shape: readonly number[], strides: readonly (readonly number[])[]): number {
  const axes = shape.flatMap((size, axis) => (size === 1 ? [] : [axis])).reverse();
  const [last] = axes;
  if (last === undefined) return 1;
  if (!strides.every((steps) => steps[last] === 0 || steps[last] === 1)) return 0;
  let run = 1;
  for (const axis of axes) {
    if (!strides.every((steps) => steps[axis] === run * (steps[last] ?? 0))) break;
    run *= shape[axis] ?? 1;
  }
  return run;
}

/** Whether a node is a chain with one result that reductions can have made piece by piece. */
function makesInRuns(node: Node | undefined, { minimalRun }: ReduceLimits): node is Node {
  const [result, ...others] = node?.outputs ?? [];
  if (!node || !result || others.length > 0 || !isConcrete(result.shape)) return false;
  const parts = node.body?.nodes ?? [node];
  const isChain = parts.every((part) => isElementwise(part) || isMovement(part) || isDraw(part));
  if (!isChain || !parts.some(isElementwise)) return false;
  const run = runOf(result.shape, stridesRead(node, result.shape));
  return run >= minimalRun || run === result.shape.reduce((a, b) => a * b, 1);
}

/**
 * A reduction and the elementwise chain that it alone reads become one node, in which each piece of the chain's result is
 * folded as soon as it is made. Runs after movements went into the chains, when it is known how those read their operands.
 */
export function reduceChains(graph: Graph, limits: ReduceLimits): Graph {
  const uses = useCounts(graph);
  const producer = producers(graph);
  const gone = new Set<Node>();
  const joined = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const [x] = node.inputs;
    if (!x || !reducesNeighbours(node) || uses.get(x) !== 1) continue;
    const chain = producer.get(x);
    if (!makesInRuns(chain, limits)) continue;
    gone.add(chain);
    joined.set(node, joinNodes([chain, node], node.outputs));
  }
  const nodes = graph.nodes.flatMap((node) => (gone.has(node) ? [] : [joined.get(node) ?? node]));
  return withParts(graph, { nodes });
}
