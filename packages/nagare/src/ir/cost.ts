/** What nodes cost: arithmetic and memory, counted from shapes. */
import { type Aval, bytesOf, concreteSize } from "../core/index.ts";
import {
  type Cost,
  expand,
  type Params,
  type Primitive,
  type ScalarBuilder,
  type ScalarRule,
} from "../ops/index.ts";
import type { Node } from "./graph.ts";

const wordsOf = new WeakMap<ScalarRule, readonly string[]>();

/** The operations of the scalar vocabulary in a rule, each as often as it stands there. */
export function scalarWords(rule: ScalarRule, operands: number): readonly string[] {
  const known = wordsOf.get(rule);
  if (known !== undefined) return known;
  const words: string[] = [];
  const listener = new Proxy({} as ScalarBuilder<null>, {
    get: (_, name) => () => {
      if (name !== "constant") words.push(String(name));
      return null;
    },
  });
  rule(listener, ...new Array<null>(operands).fill(null));
  wordsOf.set(rule, words);
  return words;
}

function flopsOf(op: Primitive, inputs: readonly Aval[], params: Params, outputs: readonly Aval[]): number {
  const own = op.cost?.(inputs, params, outputs).flops;
  if (own !== undefined) return own;
  const [result] = outputs;
  // Functions such as tanh count as one.
  if (op.scalar && result) return concreteSize(result.shape) * scalarWords(op.scalar, inputs.length).length;
  if (!op.decompose) return 0;
  let flops = 0;
  expand<Aval>(op, inputs, params, (inner, operands, innerParams) => {
    const results = inner.abstract(operands, innerParams);
    flops += flopsOf(inner, operands, innerParams, results);
    return results;
  });
  return flops;
}

/**
 * The least that a node of a graph with concrete shapes takes: its arithmetic, and one access to each element that it
 * reads or writes. What a fused node keeps to itself costs no memory.
 */
export function costOf({ op, inputs, outputs, params, body }: Node): Cost {
  const all = [...inputs, ...outputs].reduce((sum, value) => sum + bytesOf(value), 0);
  const bytes = op.cost?.(inputs, params, outputs).bytes ?? all;
  const flops = body
    ? body.nodes.reduce((sum, inner) => sum + costOf(inner).flops, 0)
    : flopsOf(op, inputs, params, outputs);
  return { bytes, flops };
}
