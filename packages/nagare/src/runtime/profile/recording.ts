/** What happens while a profile is taken: calls as JavaScript makes them, kernels as the backend reports them. */
import type { Node } from "../../ir/index.ts";

/** Where a call shows in a trace. */
export type CallKind = "program" | "eager" | "compile";

/** Something that JavaScript waited for, in milliseconds of performance.now(). */
export interface Call {
  readonly kind: CallKind;
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** The kernels of one run, and the threads' times behind theirs: see KernelObserver. */
export interface KernelRun {
  readonly nodes: readonly Node[];
  readonly times: Float64Array;
}

/** All runs of one node. */
export interface NodeTotal {
  calls: number;
  ms: number;
}

/** Of long recordings only the beginning goes into the trace; totals go on. 24 bytes each. */
const maximalEvents = 1_000_000;

/** One recording. Totals are kept by node, because programs run many times. */
export class Recording {
  readonly start = performance.now();
  readonly calls: Call[] = [];
  readonly runs: KernelRun[] = [];
  readonly totals = new Map<Node, NodeTotal>();
  /** Events that came when there was no room any more. */
  lost = 0;
  readonly callCount: Record<CallKind, number> = { program: 0, eager: 0, compile: 0 };
  #kernelEvents = 0;

  /** A call that began at `start` and is over. */
  call(kind: CallKind, name: string, start: number): void {
    this.callCount[kind] += 1;
    if (this.calls.length < maximalEvents) this.calls.push({ kind, name, start, end: performance.now() });
    else this.lost += 1;
  }

  /** The kernels of one run. */
  kernels(nodes: readonly Node[], times: Float64Array): void {
    let previous: Node | undefined;
    nodes.forEach((node, i) => {
      const total = this.totals.get(node) ?? { calls: 0, ms: 0 };
      // A node's instructions follow each other.
      if (node !== previous) total.calls += 1;
      total.ms += (times[2 * i + 1] ?? 0) - (times[2 * i] ?? 0);
      this.totals.set(node, total);
      previous = node;
    });
    const events = times.length / 2;
    if (this.#kernelEvents + events <= maximalEvents) {
      this.#kernelEvents += events;
      this.runs.push({ nodes, times });
    } else {
      this.lost += events;
    }
  }
}

let current: Recording | undefined;

/** The recording under way. */
export function currentRecording(): Recording | undefined {
  return current;
}

/** Begins a recording, or with undefined ends it. */
export function setRecording(recording: Recording | undefined): void {
  current = recording;
}

/** Runs `body` as one call, if there is a recording. */
export function recorded<R>(kind: CallKind, name: string, body: () => R): R {
  const start = performance.now();
  const result = body();
  current?.call(kind, name, start);
  return result;
}
