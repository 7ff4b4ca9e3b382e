/** Sums of products, without the factors that are the same for all that is summed. */
import { concreteShape, concreteSize, isConcrete } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import { type Graph, producers, readersByValue, type Value } from "../graph.ts";
import { reducedAxes } from "../reductions.ts";
import { eliminateCommonSubexpressions } from "./eliminateCommonSubexpressions.ts";
import { eliminateDeadCode } from "./eliminateDeadCode.ts";
import { isElementwise } from "./fuse.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

/** Dtypes in which a sum of the other factors is as precise as one of all; of narrow ones it would leave their range. */
const dtypes: ReadonlySet<string> = new Set(["float32", "float64"]);

/** A sum in two turns is worth it where the first leaves so many times fewer elements. */
const fewerElements = 8;

/** A factor of what is summed, or a divisor, and the summed axes along which it varies. */
interface Factor {
  readonly value: Value;
  readonly divides: boolean;
  readonly axes: readonly number[];
}

/** Which factors are multiplied before a first sum, which after it, and the axes that are summed after those. */
interface Plan {
  readonly inner: readonly Factor[];
  readonly outer: readonly Factor[];
  readonly later: readonly number[];
}

/** What is summed, its axes of more than one element that are gone afterwards, and its factors. */
interface Summed {
  readonly sizes: readonly number[];
  readonly axes: readonly number[];
  readonly factors: readonly Factor[];
}

function planOf({ sizes, axes, factors }: Summed): Plan | undefined {
  const sizeOf = (some: readonly number[]) => concreteSize(some.map((axis) => sizes[axis] ?? 1));
  const outer = new Set<Factor>();
  let later: readonly number[] = [];
  for (const factor of factors.toSorted((a, b) => a.axes.length - b.axes.length)) {
    const together = axes.filter((axis) => later.includes(axis) || factor.axes.includes(axis));
    if (together.length > 0 && sizeOf(axes) < fewerElements * sizeOf(together)) continue;
    outer.add(factor);
    later = together;
  }
  const inner = factors.filter((factor) => !outer.has(factor));
  const first = axes.filter((axis) => !later.includes(axis));
  const varies = first.every((axis) => inner.some((factor) => factor.axes.includes(axis)));
  return outer.size > 0 && first.length > 0 && varies ? { inner, outer: [...outer], later } : undefined;
}

/** Axes of a shape as those of a value of fewer axes that is repeated in it. */
function ownAxes(axes: readonly number[], { shape }: Value, rank: number): number[] {
  return axes.map((axis) => axis - rank + shape.length).filter((axis) => axis >= 0);
}

/**
 * Σ f·g becomes f·Σ g where f is the same for all that is summed, as the scale of a channel is, and Σ f·Σ g where it is the same
 * along most of it, as one number for each example is. Sums of several products, such as those of a normalization's
 * gradient, then are multiples of the same few. What is not finite stays so. Products that others than elementwise
 * operations and reductions read are in memory anyway, and left alone.
 */
export function factorSums(graph: Graph): Graph {
  const maker = producers(graph);
  const readers = readersByValue(graph);
  const results = new Set(graph.outputs);
  const staysInChains = (value: Value): boolean =>
    !results.has(value) &&
    (readers.get(value) ?? []).every((node) => isElementwise(node) || reducedAxes(node));

  const factorsOf = (value: Value, axes: readonly number[], rank: number): Factor[] => {
    const own = ({ shape }: Value) =>
      axes.filter((axis) => (concreteShape(shape)[axis - rank + shape.length] ?? 1) !== 1);
    const { op, inputs: [a, b] = [] } = (staysInChains(value) && maker.get(value)) || {};
    const isWhole = !a || !b || own(value).length === 0;
    if (op?.name === "mul" && !isWhole) return [...factorsOf(a, axes, rank), ...factorsOf(b, axes, rank)];
    return op?.name === "div" && !isWhole && own(b).length === 0
      ? [...factorsOf(a, axes, rank), { value: b, divides: true, axes: [] }]
      : [{ value, divides: false, axes: own(value) }];
  };

  const factored = rewriteGraph(graph, ({ op, params, outputs }, rewriter) => {
    const [x] = outputs.flatMap((output) => maker.get(output)?.inputs ?? []);
    if (op.name !== "reduceSum" || !x || !isConcrete(x.shape) || !dtypes.has(x.dtype)) return undefined;
    const sizes = concreteShape(x.shape);
    const reduced = params.axes as readonly number[];
    const axes = reduced.filter((axis) => sizes[axis] !== 1);
    const plan = planOf({ sizes, axes, factors: factorsOf(x, axes, sizes.length) });
    return plan && [sumInTurns(plan, reduced, sizes.length, rewriter)];
  });
  return eliminateDeadCode(eliminateCommonSubexpressions(factored));
}

/** The sum over the axes `reduced` of a shape of `rank` axes. */
function sumInTurns(
  { inner, outer, later }: Plan,
  reduced: readonly number[],
  rank: number,
  { emit, current }: Rewriter,
): Value {
  // No divisor is among them: those are the same for all that is summed.
  const product = inner.map(({ value }) => current(value)).reduce((a, b) => emit(ops.mul, [a, b], {}));
  // Of the axes of one element, too, which the second sum would have.
  const gone = reduced.filter((axis) => !later.includes(axis));
  const left = (axes: readonly number[]) =>
    axes.map((axis) => axis - gone.filter((other) => other < axis).length);
  let sum = emit(ops.reduceSum, [product], { axes: ownAxes(gone, product, rank) });
  for (const { value, divides } of outer) {
    const own = ownAxes(gone, value, rank);
    const shape = value.shape.filter((_, axis) => !own.includes(axis));
    const factor = own.length > 0 ? emit(ops.reshape, [current(value)], { shape }) : current(value);
    sum = emit(divides ? ops.div : ops.mul, [sum, factor], {});
  }
  return later.length > 0 ? emit(ops.reduceSum, [sum], { axes: left(later) }) : sum;
}
