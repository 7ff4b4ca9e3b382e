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
const firstThread = 1 + trackNames.length;

/** A recording as a trace, from its start on. */
export function makeChromeTrace({ start, calls, runs }: Recording): ChromeTrace {
  const events: TraceEvent[] = [{ ph: "M", name: "process_name", pid: 1, tid: 0, args: { name: "nagare" } }];
  const threads = runs.reduce((most, { nodes, times }) => Math.max(most, threadsOf(nodes, times)), 0);
  const threadNames = Array.from({ length: threads }, (_, thread) => `thread ${thread}`);
  for (const [i, name] of [...trackNames, ...threadNames].entries()) {
    events.push({ ph: "M", name: "thread_name", pid: 1, tid: i + 1, args: { name } });
  }
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
    const own = threadsOf(nodes, times);
    nodes.forEach((node, i) => {
      const { name, args } = facts(node);
      const at = (track: number, place: number): void => {
        const [from = 0, to = 0] = times.subarray(2 * place, 2 * place + 2);
        if (to !== 0) span(track, name, from, to, args);
      };
      at(tracks.kernel, i);
      for (let thread = 0; thread < own; thread++) at(firstThread + thread, nodes.length + i * own + thread);
    });
  }
  return { traceEvents: events, displayTimeUnit: "ms" };
}

/** How many threads' times stand behind those of the nodes. */
function threadsOf(nodes: readonly Node[], times: Float64Array): number {
  return nodes.length === 0 ? 0 : Math.floor(times.length / (2 * nodes.length)) - 1;
}
