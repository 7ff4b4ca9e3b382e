/** Dead state: what a program would read and never use, or write as it was. */
import { type Graph, type Value, withParts } from "../graph.ts";

/** A graph with the state that it needs: places in the lists of all state read, and of all state written. */
export interface LiveState {
  readonly graph: Graph;
  readonly read: readonly number[];
  readonly written: readonly number[];
}

/**
 * Drops outputs that give a state back unchanged, then state inputs that nothing reads. The first `argumentCount` inputs and
 * `resultCount` outputs are the function's own, and stay; the others are state, which aliases say belongs together.
 */
export function eliminateDeadState(graph: Graph, argumentCount: number, resultCount: number): LiveState {
  const overwritten = new Map(graph.aliases.map(({ output, input }) => [output, input]));
  const isChanged = (output: Value, i: number): boolean => {
    const input = overwritten.get(i);
    return i < resultCount || input === undefined || graph.inputs[input] !== output;
  };
  const outputs = indicesWhere(graph.outputs, isChanged);
  const used = new Set([
    ...graph.nodes.flatMap((node) => node.inputs),
    ...outputs.flatMap((i) => graph.outputs[i] ?? []),
  ]);
  const targets = new Set(outputs.flatMap((i) => overwritten.get(i) ?? []));
  const inputs = indicesWhere(
    graph.inputs,
    (input, i) => i < argumentCount || used.has(input) || targets.has(i),
  );
  const aliases = graph.aliases
    .map(({ output, input }) => ({ output: outputs.indexOf(output), input: inputs.indexOf(input) }))
    .filter(({ output }) => output >= 0);
  return {
    graph: withParts(graph, {
      inputs: inputs.flatMap((i) => graph.inputs[i] ?? []),
      outputs: outputs.flatMap((i) => graph.outputs[i] ?? []),
      aliases,
    }),
    read: inputs.filter((i) => i >= argumentCount).map((i) => i - argumentCount),
    written: outputs.filter((i) => i >= resultCount).map((i) => i - resultCount),
  };
}

function indicesWhere(values: readonly Value[], keep: (value: Value, i: number) => boolean): number[] {
  return values.flatMap((value, i) => (keep(value, i) ? [i] : []));
}
