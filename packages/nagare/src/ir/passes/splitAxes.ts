/** Elementwise operations on both sides of a reshape that joins or splits axes, brought to one side. */
import { concreteShape, concreteSize, isConcrete, type Shape, sameShape } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import { type Graph, type Node, readersByValue, useCounts, type Value } from "../graph.ts";
import { reducedAxes } from "../reductions.ts";
import { eliminateDeadCode } from "./eliminateDeadCode.ts";
import { isElementwise } from "./fuse.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";

/** For each axis of `joined`, the axes of `split` that it is made of; undefined where some are not whole. */
function partsOf(joined: Shape, split: Shape): readonly (readonly number[])[] | undefined {
  if (!isConcrete(joined) || !isConcrete(split)) return undefined;
  const sizes = concreteShape(split);
  if (joined.length === 0 || sizes.length <= joined.length || sizes.includes(0)) return undefined;
  let at = 0;
  const parts = concreteShape(joined).map((size) => {
    const own = [at];
    let product = sizes[at++] ?? 0;
    for (; product > 0 && product < size; at++) {
      product *= sizes[at] ?? 0;
      own.push(at);
    }
    return product === size ? own : undefined;
  });
  // Axes of one element may be left.
  for (; at < sizes.length; at++) parts.at(-1)?.push(at);
  const isWhole = parts.every((own) => own !== undefined);
  return isWhole && concreteSize(split) === concreteSize(joined) ? parts : undefined;
}

/** An operand, which may repeat along axes, under the shape whose axes are split. */
function splitOperand(
  value: Value,
  parts: readonly (readonly number[])[],
  split: readonly number[],
  { emit }: Rewriter,
): Value {
  const own = concreteShape(value.shape);
  if (own.length === 0) return value;
  const shape = parts
    .slice(parts.length - own.length)
    .flatMap((axes, i) => axes.map((axis) => (own[i] === 1 ? 1 : (split[axis] ?? 1))));
  return emit(ops.reshape, [value], { shape });
}

/**
 * What a value shows where its axes are split: operations that nothing else reads work on split operands.
 * Undefined for what no such operation made.
 */
function madeOnSplit(
  value: Value,
  parts: readonly (readonly number[])[],
  split: readonly number[],
  usedOnce: ReadonlySet<Value>,
  rewriter: Rewriter,
): Value | undefined {
  const maker = rewriter.producer(value);
  if (!maker || !isElementwise(maker) || !usedOnce.has(value)) return undefined;
  const operands = maker.inputs.map((operand) => {
    const own = sameShape(operand.shape, value.shape)
      ? madeOnSplit(operand, parts, split, usedOnce, rewriter)
      : undefined;
    return own ?? splitOperand(operand, parts, split, rewriter);
  });
  return rewriter.emit(maker.op, operands, maker.params);
}

/**
 * op(reshape(a), b) becomes reshape(op(a, reshape(b))), and a reduction of reshape(a) a reduction of a, where the reshape joins
 * axes of what another elementwise operation made, as in normalization by groups of channels: then they are one chain. Where a
 * reshape splits axes, as in the gradient, reshape(op(a, b)) becomes op(reshape(a), reshape(b)).
 */
export function splitAxes(graph: Graph): Graph {
  const readers = readersByValue(graph);
  const uses = useCounts(graph);
  const usedOnce = new Set([...uses].filter(([, count]) => count === 1).map(([value]) => value));
  const rewritten = rewriteGraph(graph, (node, rewriter) => {
    const axes = reducedAxes(node);
    const [output] = node.outputs;
    if (!output) return undefined;
    if (node.op.name === "reshape") {
      const [x] = node.inputs;
      const parts =
        x && (readers.get(output) ?? []).some(computes) ? partsOf(x.shape, output.shape) : undefined;
      const split = parts && concreteShape(output.shape);
      const isSplit = parts?.some((own) => own.filter((axis) => split?.[axis] !== 1).length > 1);
      const made = x && split && isSplit ? madeOnSplit(x, parts, split, usedOnce, rewriter) : undefined;
      if (made && usedOnce.has(output)) usedOnce.add(made);
      return made && [made];
    }
    if (!computes(node)) return undefined;
    for (const input of node.inputs) {
      const made = madeSplit(input, usedOnce, rewriter);
      const parts = made && partsOf(input.shape, made.shape);
      if (!made || !parts) continue;
      const split = concreteShape(made.shape);
      const result = axes
        ? rewriter.emit(node.op, [made], { ...node.params, axes: axes.flatMap((axis) => parts[axis] ?? []) })
        : onSplit(node, input, made, parts, split, rewriter);
      if (!result) continue;
      const joined = rewriter.emit(ops.reshape, [result], { shape: output.shape });
      if (usedOnce.has(output)) usedOnce.add(joined);
      return [joined];
    }
    return undefined;
  });
  return eliminateDeadCode(rewritten);
}

function computes(node: Node): boolean {
  return isElementwise(node) || reducedAxes(node) !== undefined;
}

/** What a reshape that nothing else reads shows, where an elementwise operation made it. */
function madeSplit(value: Value, usedOnce: ReadonlySet<Value>, { producer }: Rewriter): Value | undefined {
  const movement = producer(value);
  const [made] = movement?.inputs ?? [];
  if (movement?.op.name !== "reshape" || !made || !usedOnce.has(value)) return undefined;
  const maker: Node | undefined = producer(made);
  return maker && isElementwise(maker) ? made : undefined;
}

/** The elementwise node on operands whose axes are split; undefined where its own shape is another. */
function onSplit(
  node: Node,
  input: Value,
  made: Value,
  parts: readonly (readonly number[])[],
  split: readonly number[],
  rewriter: Rewriter,
): Value | undefined {
  if (!sameShape(node.outputs[0]?.shape ?? [], input.shape)) return undefined;
  const operands = node.inputs.map((operand) =>
    operand === input ? made : splitOperand(operand, parts, split, rewriter),
  );
  return rewriter.emit(node.op, operands, node.params);
}
