/** The order of the passes between tracing and a backend. */
import { ValueError } from "../core/index.ts";
import {
  absorbViews,
  contractBatches,
  decomposeFused,
  drawInChains,
  eliminateCommonSubexpressions,
  eliminateDeadCode,
  type FuseLimits,
  factorSums,
  finishProducts,
  foldConstants,
  foldNormalization,
  fuseElementwise,
  fuseEpilogues,
  type Graph,
  gatherScales,
  groupUpdates,
  type HasKernel,
  joinNarrowProducts,
  joinPads,
  joinReductions,
  recompute,
  reduceChains,
  releaseBarriers,
  splitAxes,
  spreadOuterProducts,
  sumProducts,
  updateRows,
  verifyGraph,
} from "../ir/index.ts";
import { evaluateReference } from "../ops/index.ts";
import type { Backend } from "./backend.ts";
import { currentBackend } from "./devices.ts";
import { environment } from "./environment.ts";

/** A step from graph to graph; each but `required` ones can be switched off by name. */
export interface Pass {
  readonly name: string;
  readonly apply: (graph: Graph, backend: Backend) => Graph;
  /** Backends rely on it. */
  readonly required?: boolean;
}

const chainLimits: FuseLimits = { maximalNodes: 64, maximalInputs: 24 };

const kernelsOf =
  (backend: Backend): HasKernel =>
  (op, inputs, params) =>
    backend.hasKernel?.(op, inputs, params) ?? false;

/** The passes in the order in which they run. */
export const passes: readonly Pass[] = [
  {
    name: "decompose",
    apply: (graph, backend) => decomposeFused(graph, kernelsOf(backend)),
    required: true,
  },
  { name: "normalize", apply: foldNormalization },
  { name: "fold", apply: (graph) => foldConstants(graph, evaluateReference) },
  { name: "cse", apply: eliminateCommonSubexpressions },
  { name: "scale", apply: gatherScales },
  { name: "slices", apply: joinPads },
  { name: "contract", apply: contractBatches },
  { name: "products", apply: sumProducts },
  { name: "narrow", apply: joinNarrowProducts },
  { name: "outer", apply: spreadOuterProducts },
  { name: "rows", apply: (graph, backend) => updateRows(graph, kernelsOf(backend)) },
  { name: "dce", apply: eliminateDeadCode },
  { name: "epilogue", apply: fuseEpilogues },
  { name: "split", apply: splitAxes },
  { name: "factor", apply: factorSums },
  { name: "fuse", apply: (graph) => fuseElementwise(graph, chainLimits) },
  { name: "release", apply: releaseBarriers, required: true },
  { name: "recompute", apply: (graph) => recompute(graph, chainLimits) },
  { name: "finish", apply: finishProducts },
  { name: "views", apply: (graph) => absorbViews(graph, { minimalRun: 8 }) },
  { name: "draw", apply: drawInChains },
  { name: "reduce", apply: reduceChains },
  { name: "siblings", apply: (graph) => joinReductions(graph, chainLimits) },
  { name: "group", apply: groupUpdates },
];

/**
 * The names of what can be switched off: the passes that no backend relies on; "state", which leaves alone the state that a
 * program does not need; "prepare", the layout of constants for kernels; "share", parts of values that are not copied; and
 * "plan", memory for several values in turn.
 */
export const optionalPasses: readonly string[] = [
  ...passes.filter(({ required }) => !required).map(({ name }) => name),
  "state",
  "prepare",
  "share",
  "plan",
];

function checkNames(names: readonly string[], known: readonly string[], where: string): void {
  for (const name of names) {
    if (known.includes(name)) continue;
    throw new ValueError(`${where}: expected one of ${known.join(", ")}; received ${JSON.stringify(name)}.`);
  }
}

let switchedOff: Set<string> | undefined;
let verifying = false;

/** The names switched off now; to begin with those of NAGARE_WITHOUT_PASSES, separated by commas. */
function namesOff(): Set<string> {
  if (!switchedOff) {
    const names = (environment("NAGARE_WITHOUT_PASSES") ?? "").split(",").filter((name) => name !== "");
    checkNames(names, optionalPasses, "NAGARE_WITHOUT_PASSES");
    switchedOff = new Set(names);
  }
  return switchedOff;
}

/**
 * Runs `body` with some passes switched off, for whatever is compiled meanwhile: for tests and for finding out what a pass
 * is worth. The environment variable NAGARE_WITHOUT_PASSES does it for a process, an option of `jit` for one function.
 * Throws ValueError for a name that is not one of `optionalPasses`.
 * @example
 * ng.withoutPasses(["fuse", "views"], () => ng.jit(step)(x));
 */
export function withoutPasses<R>(names: readonly string[], body: () => R): R {
  checkNames(names, optionalPasses, "withoutPasses");
  const off = namesOff();
  const added = names.filter((name) => !off.has(name));
  for (const name of added) off.add(name);
  try {
    return body();
  } finally {
    for (const name of added) off.delete(name);
  }
}

/** Whether a pass runs now. */
export function isPassOn(name: string): boolean {
  return !namesOff().has(name);
}

/** Makes every pass verify the graph it made; returns the earlier setting. */
export function verifyPasses(on: boolean): boolean {
  const before = verifying;
  verifying = on;
  return before;
}

/** Where to stop on the way from tracing to a backend: ahead of a pass, or behind it. */
export interface Stop {
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

/** The graph as a backend gets it, or as it is where `stop` says. Throws ValueError for a pass that there is not. */
export function optimize(graph: Graph, stop: Stop = {}): Graph {
  const names = passes.map(({ name }) => name);
  checkNames(
    Object.values(stop).filter((name) => name !== undefined),
    names,
    "optimize",
  );
  const backend = currentBackend();
  let current = graph;
  if (verifying) verifyGraph(current, "after tracing");
  for (const pass of passes) {
    if (pass.name === stop.before) break;
    if (isPassOn(pass.name)) {
      current = pass.apply(current, backend);
      if (verifying) verifyGraph(current, `after the pass "${pass.name}"`);
    }
    if (pass.name === stop.after) break;
  }
  return current;
}
