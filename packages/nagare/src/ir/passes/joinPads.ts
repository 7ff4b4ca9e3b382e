/** Sums of padded pieces, which is how slices are differentiated, put together in one pass. */
import { isConcrete, type Shape } from "../../core/index.ts";
import { builder as ops } from "../../ops/index.ts";
import type { Graph, Node, Value } from "../graph.ts";
import { type Rewriter, rewriteGraph } from "./rewrite.ts";
import { sumTrees } from "./sumTrees.ts";

/** A value that lies along one axis of a larger one, in zeros. */
interface Piece {
  readonly value: Value;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

function pieceOf(node: Node | undefined): Piece | undefined {
  const [value] = node?.inputs ?? [];
  const [result] = node?.outputs ?? [];
  if (node?.op.name !== "pad" || !value || !result || !isConcrete(result.shape)) return undefined;
  const {
    low,
    high,
    interior,
    value: filling,
  } = node.params as {
    low: readonly number[];
    high: Shape;
    interior: readonly number[];
    value: number;
  };
  const padded = low.flatMap((count, axis) => (count > 0 || high[axis] !== 0 ? [axis] : []));
  const [axis] = padded;
  if (filling !== 0 || padded.length !== 1 || axis === undefined || interior.some((n) => n > 0))
    return undefined;
  const start = low[axis] ?? 0;
  return { value, axis, start, end: start + Number(value.shape[axis]) };
}

/** Pieces of one axis in order, if none lies over another. */
function inOrder(pieces: readonly Piece[]): readonly Piece[] | undefined {
  const sorted = pieces.toSorted((a, b) => a.start - b.start);
  const apart = sorted.every(({ axis, start }, i) => {
    const before = sorted[i - 1];
    return !before || (axis === before.axis && before.end <= start);
  });
  return apart ? sorted : undefined;
}

/** The pieces side by side, with zeros where there are none. */
function concatenate(pieces: readonly Piece[], whole: Value, { emit }: Rewriter): Value {
  const [first] = pieces;
  const axis = first?.axis ?? 0;
  const zeros = (size: number): Value => {
    const shape = whole.shape.map((other, i) => (i === axis ? size : other));
    return emit(ops.full, [], { shape, dtype: whole.dtype, value: 0 });
  };
  const parts: Value[] = [];
  let end = 0;
  for (const { value, start, end: next } of pieces) {
    if (start > end) parts.push(zeros(start - end));
    parts.push(value);
    end = next;
  }
  const size = Number(whole.shape[axis]);
  if (end < size) parts.push(zeros(size - end));
  return emit(ops.concat, parts, { axis });
}

/**
 * pad(a) + pad(b) + … = concat(a, b, …) where the pieces lie apart on one axis. The gradient of a value that is read in n
 * slices then moves it once, instead of n padded copies of it and their n − 1 sums: for a sequence that is taken step by step,
 * a cost that grew with the square of its length.
 */
export function joinPads(graph: Graph): Graph {
  const trees = sumTrees(graph);
  return rewriteGraph(graph, (node, rewriter) => {
    const [whole] = node.outputs;
    const terms = trees.termsOf(node, rewriter.producer);
    if (!terms || !whole) return undefined;
    const pieces: Piece[] = [];
    const others: Value[] = [];
    for (const term of terms) {
      const piece = trees.usedOnce.has(term) ? pieceOf(rewriter.producer(term)) : undefined;
      if (piece) pieces.push(piece);
      else others.push(term);
    }
    const ordered = pieces.length > 1 ? inOrder(pieces) : undefined;
    if (!ordered) return undefined;
    const joined = concatenate(ordered, whole, rewriter);
    return [others.reduce((sum, term) => rewriter.emit(ops.add, [sum, term], {}), joined)];
  });
}
