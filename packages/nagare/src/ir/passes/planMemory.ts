/** The memory plan: where in one arena each intermediate value of a concrete graph lives. */
import { bytesOf } from "../../core/index.ts";
import type { Graph, Node, Value } from "../graph.ts";

/** Byte offsets into one arena. Values that are not listed are inputs, constants, outputs or views of others. */
export interface MemoryPlan {
  readonly arenaBytes: number;
  readonly offsets: ReadonlyMap<Value, number>;
  /** The largest sum of bytes alive at once: no plan can be smaller. */
  readonly lowerBoundBytes: number;
}

/** Every block starts at a cache line, so that vector loads do not straddle two. */
const alignment = 64;

interface Block {
  readonly value: Value;
  readonly bytes: number;
  readonly first: number;
  last: number;
}

/**
 * Offline placement, largest block first, at the lowest offset free over the block's whole life (Pisarchyk & Lee 2020,
 * "greedy by size"). `viewOf` names the value whose memory another one shares: its life covers both. Without `reuse` every
 * block lives as long as the run.
 */
export function planMemory(
  graph: Graph,
  placed: (value: Value) => boolean,
  viewOf: (node: Node) => Value | undefined,
  reuse = true,
): MemoryPlan {
  const blocks = new Map<Value, Block>();
  const root = new Map<Value, Value>();
  const touch = (value: Value, time: number): void => {
    const block = blocks.get(root.get(value) ?? value);
    if (block) block.last = Math.max(block.last, time);
  };
  graph.nodes.forEach((node, time) => {
    for (const input of node.inputs) touch(input, time);
    const viewed = viewOf(node);
    for (const value of node.outputs) {
      if (viewed) {
        root.set(value, root.get(viewed) ?? viewed);
      } else if (placed(value)) {
        const bytes = Math.ceil(bytesOf(value) / alignment) * alignment;
        blocks.set(value, { value, bytes, first: time, last: time });
      }
    }
  });
  for (const output of graph.outputs) touch(output, graph.nodes.length);
  const end = graph.nodes.length;
  const lives = [...blocks.values()].map((block) => (reuse ? block : { ...block, first: 0, last: end }));
  return place(lives, end);
}

function place(blocks: readonly Block[], end: number): MemoryPlan {
  const offsets = new Map<Value, number>();
  const placed: { block: Block; offset: number }[] = [];
  let arenaBytes = 0;
  for (const block of blocks.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const neighbours = placed
      .filter((other) => other.block.first <= block.last && block.first <= other.block.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of neighbours) {
      if (offset + block.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.block.bytes);
    }
    offsets.set(block.value, offset);
    placed.push({ block, offset });
    arenaBytes = Math.max(arenaBytes, offset + block.bytes);
  }
  const changes = new Float64Array(end + 2);
  for (const { first, last, bytes } of blocks) {
    changes[first] = (changes[first] ?? 0) + bytes;
    changes[last + 1] = (changes[last + 1] ?? 0) - bytes;
  }
  let alive = 0;
  let lowerBoundBytes = 0;
  for (const change of changes) {
    alive += change;
    lowerBoundBytes = Math.max(lowerBoundBytes, alive);
  }
  return { arenaBytes, offsets, lowerBoundBytes };
}
