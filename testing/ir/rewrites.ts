/** What tests of passes need: traced graphs, their text before and after, and what a backend makes of them. */
import assert from "node:assert/strict";
import * as ng from "nagare";
import {
  type Aval,
  type Graph,
  loadBackend,
  optimize,
  printGraph,
  type Tensor,
  verifyGraph,
  withoutPasses,
} from "nagare/backend";
import { onBackend, testedBackends } from "../generator/backends.ts";

/** The graph of a function of one result or several. */
export function trace(avals: readonly Aval[], f: (...xs: Tensor[]) => Tensor | readonly Tensor[]): Graph {
  return ng.traceGraph(avals, (xs) => ({ outputs: [f(...xs)].flat(), result: undefined })).graph;
}

/** Lines without the indentation of the test. */
export function text(indented: string): string {
  const lines = indented.split("\n").slice(1, -1);
  const margin = lines[0]?.search(/\S/) ?? 0;
  return lines.map((line) => line.slice(margin)).join("\n");
}

export function assertRewrites(
  graph: Graph,
  pass: (graph: Graph) => Graph,
  before: string,
  after: string,
): void {
  assert.equal(printGraph(graph), text(before));
  const rewritten = pass(graph);
  verifyGraph(rewritten, "after the pass");
  assert.equal(printGraph(rewritten), text(after));
}

/** The native engine's instructions for a graph, and the bytes of its arena and of the constants it lays out ahead. */
export interface Compiled {
  readonly instructions: readonly string[];
  readonly arenaBytes: number;
  readonly preparedBytes: number;
}

/** The graph compiled with all passes and without those of these names; undefined where the engine is not built. */
export function compiledWithout(
  graph: Graph,
  ...passes: readonly string[]
): { readonly with: Compiled; readonly without: Compiled } | undefined {
  if (!testedBackends.includes("native")) return undefined;
  const backend = loadBackend("native");
  const compile = (): Compiled => {
    const executable = backend.compile(optimize(graph));
    return {
      instructions: (executable.describe?.() ?? "").split("\n"),
      arenaBytes: executable.arenaBytes ?? 0,
      preparedBytes: executable.preparedBytes ?? 0,
    };
  };
  // Some passes ask the backend in use what it has kernels for.
  return onBackend("native", () => ({ with: compile(), without: withoutPasses(passes, compile) }));
}
