/** Movements read, or written, where they lie: transpositions, slices and repetitions that cost no pass over memory. */
import { isConcrete, type Shape } from "../../core/index.ts";
import { type Graph, type Node, readersByValue, type Value, withParts } from "../graph.ts";
import { areDense, denseView, isMovement, loopsOf, matrixStorage, type View, viewThrough } from "../view.ts";
import { eliminateDeadCode } from "./eliminateDeadCode.ts";
import { productParts } from "./epilogue.ts";
import { isElementwise } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** What the backend's kernels read through strides as fast as they read dense operands. */
export interface ViewLimits {
  /** Elementwise operands must have runs of at least so many neighbours. */
  readonly minimalRun: number;
}

/** Matrix kernels of these dtypes take a distance between rows, and two loops around the matrices with strides of their own. */
const matrixDtypes: ReadonlySet<string> = new Set(["float32", "float64"]);
const matrixLoops = 2;

/** Whether a matrix kernel can read this: few loops lead to the matrices. */
function isMatrixView(view: View): boolean {
  const leading = view.shape.length - 2;
  return (
    view.strides.slice(0, leading).every((stride) => stride >= 0) &&
    loopsOf(view, leading) <= matrixLoops &&
    matrixStorage(view) !== undefined
  );
}

/** Whether an elementwise kernel reads this in runs; a part of a value that is dense itself is one run. */
function isRowView({ shape, strides }: View, { minimalRun }: ViewLimits): boolean {
  if (areDense(strides, shape)) return true;
  const last = shape.findLastIndex((size) => size !== 1);
  const [size = 1, stride = 0] = [shape[last], strides[last]];
  return last < 0 || stride === 0 || (stride === 1 && size >= minimalRun);
}

/** The operations, here or in the node's body, that read one of its operands, each with the place of that operand. */
function readersOf(node: Node, value: Value): { readonly by: Node; readonly index: number }[] {
  const places = (by: Node, read: Value) =>
    by.inputs.flatMap((input, index) => (input === read ? [{ by, index }] : []));
  const { body } = node;
  if (!body) return places(node, value);
  return node.inputs.flatMap((input, i) => {
    const own = body.inputs[i];
    return input === value && own ? body.nodes.flatMap((part) => places(part, own)) : [];
  });
}

const isMatmul = (node: Node): boolean =>
  node.op.name === "matmul" && matrixDtypes.has(node.outputs[0]?.dtype ?? "");

/** Whether a node, as it is, can read an operand through this view instead of from memory of its own. */
function reads(node: Node, value: Value, view: View, limits: ViewLimits): boolean {
  // Each operand is copied to its place, which any strides may lead.
  if (node.op.name === "concat") return true;
  const parts = node.body?.nodes ?? [node];
  const isProduct = parts.some(isMatmul);
  if (!isProduct && !parts.every(isElementwise)) return false;
  return readersOf(node, value).every(({ by }) =>
    isProduct ? isMatmul(by) && isMatrixView(view) : isRowView(view, limits),
  );
}

interface Reading {
  /** The value in whose memory the elements lie. */
  readonly root: Value;
  readonly view: View;
  /** The movements from there on, in order. */
  readonly path: readonly Node[];
}

/**
 * Movements that each of their readers can see through go into the readers; several in a row become one copy. A transposition
 * that alone reads a matrix product goes into the product, which then writes its rows where they belong.
 * Runs last: what it makes are fusions whose bodies begin or end with movements.
 */
export function absorbViews(graph: Graph, limits: ViewLimits): Graph {
  if (!graph.inputs.every(({ shape }) => isConcrete(shape))) return graph;
  const used = eliminateDeadCode(graph);
  return eliminateDeadCode(absorbReads(absorbTransposedResults(used), limits));
}

function absorbReads(graph: Graph, limits: ViewLimits): Graph {
  const readers = readersByValue(graph);
  const results = new Set(graph.outputs);
  const readings = new Map<Value, Reading>();
  const readingOf = (value: Value): Reading =>
    readings.get(value) ?? { root: value, view: denseView(value), path: [] };

  /** Whether nobody needs the elements of this movement's result side by side. */
  const isFree = (value: Value, view: View): boolean =>
    !results.has(value) &&
    (readers.get(value) ?? []).every((reader) => {
      if (!isMovement(reader)) return reads(reader, value, view, limits);
      const [output] = reader.outputs;
      const further = viewThrough(reader, view);
      // A copy may read through any view. A reshape is no copy of its own, so that it must be free as well.
      return (
        further !== undefined &&
        output !== undefined &&
        (reader.op.name !== "reshape" || isFree(output, further))
      );
    });

  const nodes = graph.nodes.map((node) => {
    const [output] = node.outputs;
    if (isMovement(node) && output && isConcrete(output.shape)) {
      const [input] = node.inputs;
      const before = input && readingOf(input);
      const view = before && viewThrough(node, before.view);
      // A reshape of a dense value is dense: there is nothing to see through.
      if (before?.path.length === 0 && node.op.name === "reshape") return node;
      if (before && view && isFree(output, view)) {
        readings.set(output, { root: before.root, view, path: [...before.path, node] });
        return node;
      }
    }
    const path = new Set(node.inputs.flatMap((input) => readingOf(input).path));
    return path.size === 0 ? node : joinNodes([...path, node], node.outputs);
  });
  return withParts(graph, { nodes });
}

function absorbTransposedResults(graph: Graph): Graph {
  const readers = readersByValue(graph);
  const results = new Set(graph.outputs);
  const absorbed = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const [product] = node.outputs;
    const parts = node.body?.nodes ?? [node];
    const [reader, ...others] = (product && readers.get(product)) ?? [];
    if (!parts.some(isMatmul) || !product || results.has(product)) continue;
    if (reader?.op.name !== "transpose" || others.length > 0) continue;
    const head = parts.find(isMatmul);
    // A chain over finished sums takes them as they lie in a dense result.
    if (node.body && head && productParts(node.body, head).rest.length > 0) continue;
    if (canWriteTransposed(product.shape, reader, parts.length > 1)) absorbed.set(reader, node);
  }
  const gone = new Set(absorbed.values());
  return withParts(graph, {
    nodes: graph.nodes.flatMap((node) => {
      const product = absorbed.get(node);
      if (product) return [joinNodes([product, node], node.outputs)];
      return gone.has(node) ? [] : [node];
    }),
  });
}

/** Whether a kernel that writes rows, or without an epilogue columns, of a matrix can put them in the transposed order. */
function canWriteTransposed(shape: Shape, { params }: Node, hasEpilogue: boolean): boolean {
  const permutation = params.permutation as readonly number[];
  const last = permutation.at(-1);
  const rank = shape.length;
  return rank <= 2 + matrixLoops && (last === rank - 1 || (last === rank - 2 && !hasEpilogue));
}
