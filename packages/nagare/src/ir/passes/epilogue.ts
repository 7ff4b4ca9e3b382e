/** What a fused node does after its matrix product or convolution. */
import { type Graph, type Node, useCounts, type Value } from "../graph.ts";
import { isElementwise } from "./fuse.ts";
import { perColumn } from "./fuseEpilogues.ts";

/** The elementwise parts after a product: those that its kernel applies to sums in registers, and a chain over finished ones. */
export interface ProductParts {
  readonly own: readonly Node[];
  /** The value of the body that the kernel makes: what the chain reads. */
  readonly sum: Value;
  /** The operations of the chain, in order. */
  readonly rest: readonly Node[];
}

/** The parts of `body` after the product `head`. Throws TypeError for a head without a result. */
export function productParts(body: Graph, head: Node): ProductParts {
  const [sum] = head.outputs;
  if (!sum) throw new TypeError(`${head.op.name}: expected a result.`);
  const after = body.nodes.slice(body.nodes.indexOf(head) + 1).filter(isElementwise);
  // Only matrix products are finished by chains: a convolution's kernel does all that is fused with it.
  if (head.op.name !== "matmul") return { own: after, sum: after.at(-1)?.outputs[0] ?? sum, rest: [] };
  const uses = useCounts(body);
  const [add, next] = after;
  const [shifted] = add?.outputs ?? [];
  const hasBias = add && uses.get(sum) === 1 && perColumn(add, "add", sum) !== undefined;
  if (!hasBias || !shifted) return { own: [], sum, rest: after };
  const [rectified] = next?.outputs ?? [];
  const rectifies = next?.op.name === "relu" && next.inputs[0] === shifted && uses.get(shifted) === 1;
  return rectifies && rectified
    ? { own: after.slice(0, 2), sum: rectified, rest: after.slice(2) }
    : { own: [add], sum: shifted, rest: after.slice(1) };
}
