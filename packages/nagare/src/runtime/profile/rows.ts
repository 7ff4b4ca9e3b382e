/** The rows of a profile's table: kernels of one operation, or of one operation on one set of shapes. */
import { formatShape } from "../../core/index.ts";
import { costOf, membersOf, type Node, type Value } from "../../ir/index.ts";
import type { Roofline } from "../backend.ts";
import type { NodeTotal } from "./recording.ts";

/** One line of a profile. */
export interface ProfileRow {
  readonly name: string;
  readonly calls: number;
  /** Milliseconds of all calls. */
  readonly ms: number;
  /** Of the milliseconds of all rows, 0 to 1. */
  readonly share: number;
  /** Arithmetic, 10⁹ operations a second. */
  readonly gflops: number;
  /** Memory read and written, 10⁹ bytes a second: operands and results, whether or not a cache held them. */
  readonly gigabytes: number;
}

const isElementwise = (node: Node): boolean =>
  node.op.scalar !== undefined || node.op.name === "convert" || node.op.name === "stopGradient";

/** How near to a peak of the machine a row comes: the share, 0 to 1, of the peak that is nearer to being the limit. */
export function shareOfPeak(
  { gflops, gigabytes }: ProfileRow,
  { flops, bytes }: Roofline,
): { readonly share: number; readonly of: "arithmetic" | "memory" } {
  const [arithmetic, memory] = [(gflops * 1e9) / flops, (gigabytes * 1e9) / bytes];
  return arithmetic > memory ? { share: arithmetic, of: "arithmetic" } : { share: memory, of: "memory" };
}

/** The operation a node is named after: of a fused one, what is not elementwise in it. */
export function operationName(node: Node): string {
  if (membersOf(node).length > 1) return node.op.name;
  return node.body?.nodes.find((inner) => !isElementwise(inner))?.op.name ?? node.op.name;
}

function describeValues(values: readonly Value[]): string {
  return values
    .map(({ dtype, shape }) => (dtype === "float32" ? formatShape(shape) : `${dtype}${formatShape(shape)}`))
    .join(", ");
}

/** The longest text of a fused node's operations. */
const longestChain = 60;

/** A node in words: operations, operands, results. Of a group, those of its first and last members. */
export function describeNode(node: Node): string {
  const members = membersOf(node);
  const [first, last] = [members[0], members.at(-1)];
  if (first && last && first !== last) {
    return `${members.length} × ${describeNode(first)} … ${describeValues(last.outputs)}`;
  }
  const chain = node.body?.nodes.map((inner) => inner.op.name).join("+") ?? node.op.name;
  const name = chain.length > longestChain ? `${chain.slice(0, longestChain)}…` : chain;
  return `${name} ${describeValues(node.inputs)} → ${describeValues(node.outputs)}`;
}

/** Rows, the longest first; nodes of the same name are one row. */
export function makeRows(
  totals: ReadonlyMap<Node, NodeTotal>,
  nameOf: (node: Node) => string,
): readonly ProfileRow[] {
  const sums = new Map<string, { calls: number; ms: number; flops: number; bytes: number }>();
  let all = 0;
  for (const [node, { calls, ms }] of totals) {
    const { flops, bytes } = costOf(node);
    const name = nameOf(node);
    const sum = sums.get(name) ?? { calls: 0, ms: 0, flops: 0, bytes: 0 };
    sum.calls += calls;
    sum.ms += ms;
    sum.flops += calls * flops;
    sum.bytes += calls * bytes;
    sums.set(name, sum);
    all += ms;
  }
  return [...sums]
    .map(([name, { calls, ms, flops, bytes }]) => ({
      name,
      calls,
      ms,
      share: all > 0 ? ms / all : 0,
      gflops: ms > 0 ? flops / ms / 1e6 : 0,
      gigabytes: ms > 0 ? bytes / ms / 1e6 : 0,
    }))
    .sort((a, b) => b.ms - a.ms);
}
