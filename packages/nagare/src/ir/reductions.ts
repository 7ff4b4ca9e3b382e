/** Reductions over several axes, as reductions over neighbouring ones. */
import { concreteShape, concreteSize, isConcrete, sumDType } from "../core/index.ts";
import { type Node, Value } from "./graph.ts";

const reductions: ReadonlySet<string> = new Set(["reduceSum", "reduceProd", "reduceMax", "reduceMin"]);

/** The axes of a reduction; undefined for other nodes. */
export function reducedAxes({ op, params }: Node): readonly number[] | undefined {
  return reductions.has(op.name) ? (params.axes as readonly number[] | undefined) : undefined;
}

/** The reductions that a node carries out, alone or of what its chain makes; none for other nodes. */
export function reductionsOf(node: Node): readonly Node[] {
  return (node.body?.nodes ?? [node]).filter((part) => reducedAxes(part));
}

/** Axes in runs of neighbours. */
function adjacentRuns(axes: readonly number[]): number[][] {
  const runs: number[][] = [];
  for (const axis of axes) {
    const last = runs.at(-1);
    if (last && last.at(-1) === axis - 1) last.push(axis);
    else runs.push([axis]);
  }
  return runs;
}

/**
 * A reduction as one over neighbouring axes, and more of them of what that leaves: sums, products and extremes do not mind.
 * The run with most elements comes first, after which little is left to read; one run is the node as it is. Undefined for
 * other nodes, and where what is between would be rounded.
 */
export function reductionTurns(node: Node): readonly Node[] | undefined {
  const [x] = node.inputs;
  const axes = reducedAxes(node);
  if (!x || !axes) return undefined;
  const runs = adjacentRuns(axes);
  if (runs.length < 2) return [node];
  if (!isConcrete(x.shape) || sumDType(x.dtype) !== x.dtype) return undefined;
  const shape = concreteShape(x.shape);
  const sizeOf = (run: readonly number[]) => concreteSize(run.map((axis) => shape[axis] ?? 1));
  const gone = new Set<number>();
  let read = x;
  // At a tie the last run first, whose elements lie side by side.
  return runs
    .reverse()
    .sort((a, b) => sizeOf(b) - sizeOf(a))
    .map((run, i) => {
      const own = run.map((axis) => axis - [...gone].filter((before) => before < axis).length);
      for (const axis of run) gone.add(axis);
      const left = shape.filter((_, axis) => !gone.has(axis));
      const outputs = i === runs.length - 1 ? node.outputs : [new Value({ shape: left, dtype: read.dtype })];
      const turn = { ...node, inputs: [read], params: { ...node.params, axes: own }, outputs };
      read = outputs[0] ?? read;
      return turn;
    });
}
