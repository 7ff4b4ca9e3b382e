/** The order of the passes between tracing and a backend. */
import {
  absorbViews,
  contractBatches,
  decomposeFused,
  eliminateCommonSubexpressions,
  eliminateDeadCode,
  foldConstants,
  fuseElementwise,
  fuseEpilogues,
  type Graph,
  verifyGraph,
} from "../ir/index.ts";
import { evaluateReference } from "../ops/index.ts";
import type { Backend } from "./backend.ts";
import { currentBackend } from "./devices.ts";

/** A step from graph to graph; each but `required` ones can be switched off by name. */
export interface Pass {
  readonly name: string;
  readonly apply: (graph: Graph, backend: Backend) => Graph;
  /** Backends rely on it. */
  readonly required?: boolean;
}

/** The passes in the order in which they run. */
export const passes: readonly Pass[] = [
  {
    name: "decompose",
    apply: (graph, backend) =>
      decomposeFused(graph, (op, inputs, params) => backend.hasKernel?.(op, inputs, params) ?? false),
    required: true,
  },
  { name: "fold", apply: (graph) => foldConstants(graph, evaluateReference) },
  { name: "cse", apply: eliminateCommonSubexpressions },
  { name: "contract", apply: contractBatches },
  { name: "dce", apply: eliminateDeadCode },
  { name: "epilogue", apply: fuseEpilogues },
  { name: "fuse", apply: (graph) => fuseElementwise(graph, { maximalNodes: 64, maximalInputs: 24 }) },
  { name: "views", apply: (graph) => absorbViews(graph, { minimalRun: 8 }) },
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
  const backend = currentBackend();
  let current = graph;
  if (verifying) verifyGraph(current, "after tracing");
  for (const pass of passes) {
    if (switchedOff.has(pass.name) && !pass.required) continue;
    current = pass.apply(current, backend);
    if (verifying) verifyGraph(current, `after the pass "${pass.name}"`);
    if (pass.name === until) break;
  }
  return current;
}
