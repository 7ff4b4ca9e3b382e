/** Random bits that elementwise chains make for themselves: none of them reaches memory. */
import { concreteShape, isConcrete } from "../../core/index.ts";
import { type Graph, type Node, readersByValue, withParts } from "../graph.ts";
import { areDense, bodyReadings, broadcastStrides, isDraw, isMovement } from "../view.ts";
import { productParts } from "./epilogue.ts";
import { isElementwise } from "./fuse.ts";
import { joinNodes } from "./fusion.ts";

/** The operations of a body that run over its results element by element; undefined where there is more than those. */
function chainOf(body: Graph): readonly Node[] | undefined {
  const [head, ...others] = body.nodes.filter(
    (part) => !isElementwise(part) && !isMovement(part) && !isDraw(part),
  );
  if (!head) return body.nodes.filter(isElementwise);
  // What finishes the sums of a matrix product is such a chain.
  return head.op.name === "matmul" && others.length === 0 ? productParts(body, head).rest : undefined;
}

/** Whether a node uses the bits that it draws in the order of its results' elements, and in elementwise operations only. */
function drawsInOrder(node: Node): boolean {
  const { body } = node;
  const [result] = node.outputs;
  const chain = body && chainOf(body);
  if (!chain || !result || !isConcrete(result.shape)) return false;
  const shape = concreteShape(result.shape);
  const readings = bodyReadings(node, body);
  const drawn = (part: Node) =>
    part.inputs.flatMap((input) => {
      const reading = readings.get(input);
      return reading?.drawn ? [broadcastStrides(reading.view, shape)] : [];
    });
  const users = body.nodes.filter((part) => !isMovement(part) && drawn(part).length > 0);
  return (
    users.length > 0 &&
    users.every((part) => chain.includes(part) && drawn(part).every((strides) => areDense(strides, shape)))
  );
}

/**
 * Random bits of one key become part of the elementwise chain that alone reads them, such as one that makes numbers or a mask of
 * them: it makes the bits of each tile, which follow from the tile's place. Two chains that made the same bits, each for itself, would
 * take longer than both take to read them: making four bytes costs as much as moving ten. Runs after movements went into the chains,
 * when it is known which bits those read.
 */
export function drawInChains(graph: Graph): Graph {
  if (!graph.inputs.every(({ shape }) => isConcrete(shape))) return graph;
  const readers = readersByValue(graph);
  const results = new Set(graph.outputs);
  const joined = new Map<Node, Node>();
  const gone = new Set<Node>();
  for (const draw of graph.nodes) {
    const [bits] = draw.outputs;
    if (!isDraw(draw) || !bits || results.has(bits)) continue;
    const [reader, ...others] = readers.get(bits) ?? [];
    if (!reader || others.length > 0) continue;
    const drawing = joinNodes([draw, joined.get(reader) ?? reader], reader.outputs);
    if (!drawsInOrder(drawing)) continue;
    gone.add(draw);
    joined.set(reader, drawing);
  }
  const nodes = graph.nodes.flatMap((node) => (gone.has(node) ? [] : [joined.get(node) ?? node]));
  return withParts(graph, { nodes });
}
