/** Scaling by constants, gathered into one multiplication where it costs least. */
import { type ConcreteTensor, concreteSize, isConcrete, sameShape } from "../../core/index.ts";
import { builder as ops, scalar } from "../../ops/index.ts";
import { type Graph, type Node, useCounts, type Value } from "../graph.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

/** Dtypes whose constants are gathered in more digits than they have. */
const dtypes: ReadonlySet<string> = new Set(["float32"]);

/** Two factors become one only where neither a sum nor a result in between can overflow or lose its digits. */
const [smallest, largest] = [1e-18, 1e18];

/** A value times a number that is known. */
interface Scaled {
  readonly value: Value;
  readonly factor: number;
}

function numberOf(value: Value, constants: ReadonlyMap<Value, ConcreteTensor>): number | undefined {
  const tensor = constants.get(value);
  return tensor && isConcrete(value.shape) && concreteSize(value.shape) === 1
    ? Number(tensor.dataSync()[0])
    : undefined;
}

/** The operand and the factor of a node that multiplies by a constant and changes neither shape nor dtype. */
function scaledBy(node: Node | undefined, constants: ReadonlyMap<Value, ConcreteTensor>): Scaled | undefined {
  const [a, b] = node?.inputs ?? [];
  const [output] = node?.outputs ?? [];
  if (!node || !a || !output || !dtypes.has(output.dtype)) return undefined;
  if (node.op.name === "neg") return { value: a, factor: -1 };
  if (node.op.name !== "mul" || !b) return undefined;
  for (const [value, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const factor = numberOf(other, constants);
    if (factor !== undefined && sameShape(value.shape, output.shape)) return { value, factor };
  }
  return undefined;
}

function isModerate(factor: number): boolean {
  const magnitude = Math.abs(factor);
  return magnitude >= smallest && magnitude <= largest;
}

/** The value times the factor: one multiplication, also where the value is a multiple already. */
function multiply(value: Value, factor: number, { builder, emit, producer }: Rewriter): Value {
  const inner = scaledBy(producer(value), builder.constants);
  const both = factor * (inner?.factor ?? 1);
  if (!inner || ![factor, inner.factor, both].every(isModerate)) {
    return emit(ops.mul, [value, builder.constant(scalar(factor, value.dtype))], {});
  }
  return both === 1
    ? inner.value
    : emit(ops.mul, [inner.value, builder.constant(scalar(both, value.dtype))], {});
}

/** A multiple of a product as the product of a multiple, where one of the factors is at most half as large as the result. */
function scaleFactor(product: Node, factor: number, rewriter: Rewriter): Value | undefined {
  const [result] = product.outputs;
  // Factors of fewer digits than the result would be rounded once more.
  if (product.inputs.some(({ dtype }) => dtype !== result?.dtype)) return undefined;
  const sizes = [...product.inputs, result].map((value) =>
    value && isConcrete(value.shape) ? concreteSize(value.shape) : Number.NaN,
  );
  const [ofA = Number.NaN, ofB = Number.NaN, ofResult = Number.NaN] = sizes;
  if (!(2 * Math.min(ofA, ofB) <= ofResult)) return undefined;
  const at = ofA <= ofB ? 0 : 1;
  const factors = product.inputs.map((input, i) => (i === at ? multiply(input, factor, rewriter) : input));
  return rewriter.emit(product.op, factors, product.params);
}

/**
 * c·(d·x) = (cd)·x; c·(AB) = (cA)·B, where a factor is smaller than the product, as queries and keys are beside their scores;
 * Σ c·x = c·Σ x. Products and sums move only where nothing else reads what is between.
 */
export function gatherScales(graph: Graph): Graph {
  const usedOnce = new Set([...useCounts(graph)].filter(([, count]) => count === 1).map(([value]) => value));
  return rewriteGraph(graph, (node, rewriter) => {
    const better = gathered(node, rewriter, (value) =>
      usedOnce.has(value) ? rewriter.producer(value) : undefined,
    );
    const [output] = node.outputs;
    if (better && output && usedOnce.has(output)) usedOnce.add(better);
    return better && [better];
  });
}

function gathered(
  node: Node,
  rewriter: Rewriter,
  onlyMaker: (value: Value) => Node | undefined,
): Value | undefined {
  const { constants } = rewriter.builder;
  const [x] = node.inputs;
  if (node.op.name === "reduceSum" && x) {
    const inner = scaledBy(onlyMaker(x), constants);
    if (!inner || !isModerate(inner.factor)) return undefined;
    return multiply(rewriter.emit(node.op, [inner.value], node.params), inner.factor, rewriter);
  }
  const outer = scaledBy(node, constants);
  if (!outer || !isModerate(outer.factor)) return undefined;
  const product = onlyMaker(outer.value);
  const moved = product?.op.name === "matmul" ? scaleFactor(product, outer.factor, rewriter) : undefined;
  if (moved) return moved;
  const inner = scaledBy(rewriter.producer(outer.value), constants);
  return inner && isModerate(inner.factor * outer.factor)
    ? multiply(outer.value, outer.factor, rewriter)
    : undefined;
}
