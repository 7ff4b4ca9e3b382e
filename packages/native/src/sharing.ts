/** Values that need no memory of their own: they lie in another's, whole or as a part of it. */
import { areDense, bytesOf, bytesPerElement, type Graph, type Node, type Value } from "nagare/backend";
import { isView } from "./legalize.ts";
import { movedFrom } from "./lower/index.ts";

/** A value's elements, side by side in the memory of another one. */
export interface Share {
  readonly value: Value;
  /** Bytes of that before the first. */
  readonly offset: number;
}

/** A movement's result that a copy could be saved of. */
interface Part extends Share {
  readonly result: Value;
}

/** Parts that are so much of a value together may keep it, whatever memory the rest takes. */
const enoughOfWhole = 1 / 2;

/** What a node's result is a part of, if the node moves neighbours that stay neighbours. */
function partOf(node: Node): Part | undefined {
  const [result] = node.outputs;
  const { value, view } = movedFrom(node) ?? {};
  if (!result || !value || !view || !areDense(view.strides, view.shape)) return undefined;
  return { result, value, offset: view.offset * bytesPerElement(value.dtype) };
}

/**
 * When values that have memory of their own are made, and read for the last time, as places of nodes. Results are read when all nodes
 * have run. `owner` is the value in whose memory another one lies.
 */
export function timesOfUse(graph: Graph, owner: (value: Value) => Value) {
  const made = new Map<Value, number>();
  const last = new Map<Value, number>();
  graph.nodes.forEach((node, time) => {
    if (node.outputs.some((output) => owner(output) !== output)) return;
    for (const input of node.inputs) last.set(owner(input), time);
    for (const output of node.outputs) made.set(output, time);
  });
  for (const output of graph.outputs) last.set(owner(output), graph.nodes.length);
  return { made, last };
}

/** When values are in use, as places of nodes, and how many bytes those have that are in use at each of these. */
class Lives {
  /** Inputs and constants last as long as the run, but a state only to the node before the one that makes its next value. */
  readonly #given = new Map<Value, number>();
  readonly #made: ReadonlyMap<Value, number>;
  readonly #last: Map<Value, number>;
  readonly #alive: Float64Array;
  readonly #peak: number;

  /** `whole` is the value that has the memory of a view. */
  constructor(graph: Graph, whole: (value: Value) => Value) {
    const end = graph.nodes.length;
    const { made, last } = timesOfUse(graph, whole);
    [this.#made, this.#last] = [made, last];
    for (const value of [...graph.inputs, ...graph.constants.keys()]) this.#given.set(value, end);
    for (const { input, output } of graph.aliases) {
      const [state, next] = [graph.inputs[input], graph.outputs[output]];
      if (state && next) this.#given.set(state, (made.get(whole(next)) ?? 0) - 1);
    }
    this.#alive = new Float64Array(end + 1);
    for (const [value, first] of made) this.#count(bytesOf(value), first, this.until(value));
    this.#peak = this.#alive.reduce((most, bytes) => Math.max(most, bytes), 0);
  }

  isGiven(value: Value): boolean {
    return this.#given.has(value);
  }

  /** The last node that reads the value, or that may. */
  until(value: Value): number {
    return this.#given.get(value) ?? this.#last.get(value) ?? 0;
  }

  /** A part has its elements in the memory of the whole, which is in use as long as the part is. */
  join({ result, value }: Part): void {
    const until = this.until(result);
    this.#count(-bytesOf(result), this.#made.get(result) ?? 0, until);
    if (this.isGiven(value)) return;
    this.#count(bytesOf(value), this.until(value) + 1, until);
    this.#last.set(value, Math.max(this.until(value), until));
  }

  /** Whether more bytes than now are in use at any time when a part is in the memory of the whole. */
  raisesPeak({ result, value }: Part): boolean {
    const added = bytesOf(value) - bytesOf(result);
    const longer = this.#alive.subarray(this.until(value) + 1, this.until(result) + 1);
    return longer.some((bytes) => bytes + added > this.#peak);
  }

  #count(bytes: number, first: number, last: number): void {
    for (let time = first; time <= last; time++) this.#alive[time] = (this.#alive[time] ?? 0) + bytes;
  }
}

/** The parts that are worth no copy, each in the memory of a value that has its own. */
function acceptedParts(candidates: readonly Part[], lives: Lives): Map<Value, Share> {
  const accepted = new Map<Value, Share>();
  const isLate = ({ result, value }: Part): boolean => lives.until(result) > lives.until(value);
  const lateBytes = new Map<Value, number>();
  for (const part of candidates.filter(isLate))
    lateBytes.set(part.value, (lateBytes.get(part.value) ?? 0) + bytesOf(part.result));
  for (const part of candidates) {
    const { value, offset } = accepted.get(part.value) ?? { value: part.value, offset: 0 };
    const whole = { ...part, value, offset: offset + part.offset };
    if (isLate(whole)) {
      const isLittle = (lateBytes.get(value) ?? 0) < enoughOfWhole * bytesOf(value);
      if (lives.isGiven(value) || (isLittle && lives.raisesPeak(whole))) continue;
    }
    lives.join(whole);
    accepted.set(part.result, { value, offset: whole.offset });
  }
  return accepted;
}

/**
 * The values of a graph that lie in the memory of others, none of which lies in another's itself. Views always do. A part of a value
 * does with `parts`, unless it would keep much more memory in use than it has, or a state from being overwritten; results are written
 * where they belong.
 */
export function findShares(graph: Graph, parts: boolean): Map<Value, Share> {
  const views = new Map<Value, Value>();
  const whole = (value: Value): Value => views.get(value) ?? value;
  const found: Part[] = [];
  for (const node of graph.nodes) {
    const [input] = node.inputs;
    const [output] = node.outputs;
    if (isView(node) && input && output) views.set(output, whole(input));
    const part = parts && !isView(node) ? partOf(node) : undefined;
    if (part) found.push({ ...part, value: whole(part.value) });
  }
  const results = new Set(graph.outputs.map(whole));
  const candidates = found.filter(({ result }) => !results.has(result));
  const shares =
    candidates.length > 0 ? acceptedParts(candidates, new Lives(graph, whole)) : new Map<Value, Share>();
  for (const [view, value] of views) shares.set(view, shares.get(value) ?? { value, offset: 0 });
  return shares;
}
