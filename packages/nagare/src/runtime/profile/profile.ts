/** Profiles: where the time of a piece of a program goes. */
import { formatTable, NagareError, nodeModule } from "../../core/index.ts";
import type { Backend } from "../backend.ts";
import { currentBackend } from "../devices.ts";
import { type ChromeTrace, makeChromeTrace } from "./chromeTrace.ts";
import { currentRecording, Recording, setRecording } from "./recording.ts";
import { describeNode, makeRows, operationName, type ProfileRow, shareOfPeak } from "./rows.ts";

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function peakText({ share, of }: ReturnType<typeof shareOfPeak>): string {
  return share === 0 ? "–" : `${(100 * share).toFixed(0)} % ${of}`;
}

/** What `profile` found out. */
export class Profile {
  /** Milliseconds from the beginning to the end. */
  readonly ms: number;
  readonly #recording: Recording;
  readonly #backend: Backend;

  constructor(recording: Recording, ms: number, backend: Backend) {
    this.#recording = recording;
    this.#backend = backend;
    this.ms = ms;
  }

  /** One row for each operation, the longest first. */
  get rows(): readonly ProfileRow[] {
    return makeRows(this.#recording.totals, operationName);
  }

  /** One row for each operation and the shapes it ran on, the longest first. */
  get shapes(): readonly ProfileRow[] {
    return makeRows(this.#recording.totals, describeNode);
  }

  /** Milliseconds in kernels. */
  get kernelMs(): number {
    let sum = 0;
    for (const { ms } of this.#recording.totals.values()) sum += ms;
    return sum;
  }

  /**
   * The table as text; with `shapes`, a line for each set of shapes. Where the backend can measure the machine's peaks,
   * which takes some tenths of a second the first time, a column says how near each line comes: to that of float32
   * arithmetic or that of memory, whichever is nearer. Data in a cache moves faster than memory's 100 %.
   */
  toString({ shapes = false }: { readonly shapes?: boolean } = {}): string {
    const { callCount } = this.#recording;
    const roofline = this.#backend.roofline?.();
    const figure = (value: number): string => (value === 0 ? "–" : value.toPrecision(3));
    // Names come last, because those with shapes are long.
    const lines = (shapes ? this.shapes : this.rows).map((row) => [
      String(row.calls),
      row.ms.toFixed(3),
      percent(row.share),
      figure(row.gflops),
      figure(row.gigabytes),
      ...(roofline ? [peakText(shareOfPeak(row, roofline))] : []),
      row.name,
    ]);
    const header = ["calls", "ms", "share", "GFLOP/s", "GB/s", ...(roofline ? ["of peak"] : []), "operation"];
    const figures = header.slice(0, -1).map((_, column) => column);
    const table = formatTable([header, ...lines], figures);
    const busy = percent(this.kernelMs / this.ms);
    return (
      `${table}\n${this.kernelMs.toFixed(3)} ms in kernels of ${this.ms.toFixed(3)} ms (${busy}); ` +
      `calls of programs: ${callCount.program}, eager operations: ${callCount.eager}`
    );
  }

  /** Every call and every kernel in the trace event format: Perfetto (ui.perfetto.dev) and chrome://tracing open it. */
  chromeTrace(): ChromeTrace {
    return makeChromeTrace(this.#recording);
  }

  /** Writes `chromeTrace()` to a file. */
  async writeTrace(file: string): Promise<void> {
    const { writeFile } = nodeModule<typeof import("node:fs/promises")>("node:fs/promises", "writeTrace");
    await writeFile(file, JSON.stringify(this.chromeTrace()));
  }
}

/** What a profiled function returned, and its profile. */
export interface Profiled<R> {
  readonly result: R;
  readonly profile: Profile;
}

/**
 * Runs a function and tells where its time went, kernel by kernel. Of a function that returns a promise, everything
 * until it settles is recorded. Throws NagareError inside another profile.
 * @example
 * const { result, profile } = ng.profile(() => step(x, y));
 * console.log(String(profile));
 * await profile.writeTrace("trace.json");
 */
export function profile<R>(body: () => Promise<R>): Promise<Profiled<R>>;
export function profile<R>(body: () => R): Profiled<R>;
export function profile<R>(body: () => R | Promise<R>): Profiled<R> | Promise<Profiled<R>> {
  if (currentRecording()) {
    throw new NagareError(
      "profile: expected no other profile under way; received a call inside one. Profile the outer function alone.",
    );
  }
  const backend = currentBackend();
  const recording = new Recording();
  const end = (): Profile => {
    const ms = performance.now() - recording.start;
    backend.observe?.(undefined);
    setRecording(undefined);
    return new Profile(recording, ms, backend);
  };
  const failed = (error: unknown): never => {
    end();
    throw error;
  };
  setRecording(recording);
  backend.observe?.((nodes, times) => recording.kernels(nodes, times));
  let result: R | Promise<R>;
  try {
    result = body();
  } catch (error) {
    return failed(error);
  }
  if (result instanceof Promise) {
    return result.then((value) => ({ result: value, profile: end() }), failed);
  }
  return { result, profile: end() };
}
