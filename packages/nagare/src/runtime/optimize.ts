/** The order of the passes between tracing and a backend. */
import {
  eliminateCommonSubexpressions,
  eliminateDeadCode,
  foldConstants,
  fuseElementwise,
  fuseEpilogues,
  type Graph,
  verifyGraph,
} from "../ir/index.ts";
import { evaluateReference } from "../ops/index.ts";

/** A step from graph to graph; each can be switched off by name. */
export interface Pass {
  readonly name: string;
  readonly apply: (graph: Graph) => Graph;
}

/** The passes in the order in which they run. */
export const passes: readonly Pass[] = [
  { name: "fold", apply: (graph) => foldConstants(graph, evaluateReference) },
  { name: "cse", apply: eliminateCommonSubexpressions },
  { name: "dce", apply: eliminateDeadCode },
  { name: "epilogue", apply: fuseEpilogues },
  { name: "fuse", apply: (graph) => fuseElementwise(graph, { maximalNodes: 64, maximalInputs: 24 }) },
];

const switchedOff = new Set<string>();
let verifying = false;

/** Runs `body` with some passes switched off: for tests and for finding out what a pass is worth. */
export function withoutPasses<R>(names: readonly string[], body: () => R): R {
  const added = names.filter((name) => !switchedOff.has(name));
  for (const name of added) switchedOff.add(name);
  try {
    return body();
  } finally {
    for (const name of added) switchedOff.delete(name);
  }
}

/** Makes every pass verify the graph it made; returns the earlier setting. */
export function verifyPasses(on: boolean): boolean {
  const before = verifying;
  verifying = on;
  return before;
}

/** The graph as a backend gets it. `until` stops after the pass of that name. */
export function optimize(graph: Graph, until?: string): Graph {
  let current = graph;
  if (verifying) verifyGraph(current, "after tracing");
  for (const pass of passes) {
    if (switchedOff.has(pass.name)) continue;
    current = pass.apply(current);
    if (verifying) verifyGraph(current, `after the pass "${pass.name}"`);
    if (pass.name === until) break;
  }
  return current;
}
