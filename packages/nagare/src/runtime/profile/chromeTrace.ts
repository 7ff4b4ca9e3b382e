/** Recordings in the trace event format, which Perfetto and chrome://tracing open. */
import type { Node } from "../../ir/index.ts";
import { costOf } from "../../ir/index.ts";
import type { Recording } from "./recording.ts";
import { describeNode, operationName } from "./rows.ts";

/** An event of the format: "X" spans a time, "M" names a track. Times are microseconds. */
export interface TraceEvent {
  readonly ph: "X" | "M";
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

/** A trace file's content. */
export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms";
}

/** Compilation happens inside a call of a program, and shows there. */
const tracks = { program: 1, compile: 1, eager: 2, kernel: 3 } as const;
const trackNames = ["programs", "eager operations", "kernels"];

/** A recording as a trace, from its start on. */
export function makeChromeTrace({ start, calls, runs }: Recording): ChromeTrace {
  const events: TraceEvent[] = [{ ph: "M", name: "process_name", pid: 1, tid: 0, args: { name: "nagare" } }];
  trackNames.forEach((name, i) => {
    events.push({ ph: "M", name: "thread_name", pid: 1, tid: i + 1, args: { name } });
  });
  const span = (tid: number, name: string, from: number, to: number, args?: TraceEvent["args"]): void => {
    const times = { ts: (from - start) * 1e3, dur: (to - from) * 1e3 };
    events.push({ ph: "X", name, pid: 1, tid, ...times, ...(args ? { args } : {}) });
  };
  for (const call of calls) {
    const name = call.kind === "compile" ? `compile ${call.name}` : call.name;
    span(tracks[call.kind], name, call.start, call.end);
  }
  const known = new Map<Node, { readonly name: string; readonly args: Record<string, string | number> }>();
  const facts = (node: Node) => {
    let fact = known.get(node);
    if (!fact) {
      fact = { name: operationName(node), args: { what: describeNode(node), ...costOf(node) } };
      known.set(node, fact);
    }
    return fact;
  };
  for (const { nodes, times } of runs) {
    nodes.forEach((node, i) => {
      const [from = 0, to = 0] = times.subarray(2 * i, 2 * i + 2);
      if (to === 0) return;
      const { name, args } = facts(node);
      span(tracks.kernel, name, from, to, args);
    });
  }
  return { traceEvents: events, displayTimeUnit: "ms" };
}
