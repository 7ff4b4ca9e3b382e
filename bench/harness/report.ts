/** What a run prints. */
import type { Measurement, Outcome } from "./measure.ts";
import type { Task } from "./workload.ts";

/** A party's figures for one workload, in milliseconds. */
interface Figures {
  readonly median: number;
  readonly minimum: number;
  readonly samples: number;
}

/** Ours against the fastest peer. */
export interface Ratio {
  readonly ratio: number;
  readonly fastest: string;
}

/** The median; the mean of the middle two for an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

function figuresOf(outcome: Outcome | undefined): Figures | undefined {
  if (outcome?.kind !== "measured") return undefined;
  const { times } = outcome;
  return { median: median(times), minimum: Math.min(...times), samples: times.length };
}

/** Our median divided by the smallest median of a peer; undefined without ours or without any peer's. */
export function ratioOf({ outcomes }: Measurement): Ratio | undefined {
  const [ours, ...peers] = [...outcomes].map(([name, outcome]) => ({ name, figures: figuresOf(outcome) }));
  let fastest: { name: string; median: number } | undefined;
  for (const { name, figures } of peers) {
    if (figures && figures.median < (fastest?.median ?? Infinity)) fastest = { name, median: figures.median };
  }
  if (!ours?.figures || !fastest) return undefined;
  return { ratio: ours.figures.median / fastest.median, fastest: fastest.name };
}

/** Three significant digits, and all digits before the point. */
function formatTime(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function cell(outcome: Outcome | undefined): string {
  const figures = figuresOf(outcome);
  if (figures) return formatTime(figures.median);
  return outcome?.kind === "failed" ? "failed" : "–";
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((text, column) =>
        column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

/** One line for each failure: the workload, the party and why. */
export function failures(measurements: readonly Measurement[]): string[] {
  return measurements.flatMap(({ task, outcomes }) =>
    [...outcomes].flatMap(([party, outcome]) =>
      outcome.kind === "failed" ? [`${task.name}: ${party} ${outcome.reason}`] : [],
    ),
  );
}

/** The table of medians and ratios: a row for each workload, a column for each party. */
export function table(measurements: readonly Measurement[], parties: readonly string[]): string {
  const header = ["workload", "unit", ...parties, "ours ÷ fastest peer"];
  const rows = measurements.map((measurement) => {
    const { task, outcomes } = measurement;
    const ratio = ratioOf(measurement);
    const unit = task.unit === "us" ? "µs" : "ms";
    const cells = parties.map((party) => cell(outcomes.get(party)));
    return [task.name, unit, ...cells, ratio ? `${ratio.ratio.toFixed(2)} (${ratio.fastest})` : "–"];
  });
  return align([header, ...rows]).join("\n");
}

/**
 * The table of a sweep: every party's 10⁹ operations or bytes a second, and our share of the peak.
 * @param peaks operations and bytes a second, once or several times measured, of which the median counts; none where they were not.
 */
export function sweepTable(
  measurements: readonly Measurement[],
  parties: readonly string[],
  peaks: readonly { readonly flops: number; readonly bytes: number }[],
): string {
  const [flops, bytes] = (["flops", "bytes"] as const).map((of) =>
    peaks.length === 0 ? undefined : median(peaks.map((peak) => peak[of])),
  );
  const rate = (task: Task, outcome: Outcome | undefined): number | undefined => {
    const figures = figuresOf(outcome);
    return figures && ((task.bytes ?? task.flops ?? 0) / figures.median) * 1e3;
  };
  const rows = measurements.map((measurement) => {
    const { task, outcomes } = measurement;
    const rates = parties.map((party) => rate(task, outcomes.get(party)));
    const cells = rates.map((value, i) =>
      value === undefined ? cell(outcomes.get(parties[i] ?? "")) : (value / 1e9).toFixed(1),
    );
    const [ours] = rates;
    const peak = task.bytes === undefined ? flops : bytes;
    const share = ours !== undefined && peak ? `${((100 * ours) / peak).toFixed(0)} %` : "–";
    const ratio = ratioOf(measurement);
    return [
      task.name,
      task.bytes === undefined ? "GFLOP/s" : "GB/s",
      ...cells,
      share,
      ratio ? `${ratio.ratio.toFixed(2)} (${ratio.fastest})` : "–",
    ];
  });
  return align([["shape", "unit", ...parties, "of peak", "ours ÷ fastest peer"], ...rows]).join("\n");
}

/** The geometric mean of the ratios, in words; undefined where there is no ratio. */
export function summary(measurements: readonly Measurement[]): string | undefined {
  const ratios = measurements.flatMap((measurement) => ratioOf(measurement)?.ratio ?? []);
  if (ratios.length === 0) return undefined;
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return `geometric mean of ${ratios.length} ratios: ${mean.toFixed(2)}; largest: ${Math.max(...ratios).toFixed(2)}`;
}

const rounded = (value: number): number => Number(value.toPrecision(6));

/** The lines of --json for one workload: each party, then the ratio. */
export function jsonLines(measurement: Measurement): string[] {
  const { task, outcomes } = measurement;
  const workload = task.name;
  const lines: object[] = [...outcomes].map(([peer, outcome]) => {
    const figures = figuresOf(outcome);
    if (outcome.kind === "failed") return { peer, workload, error: outcome.reason };
    if (!figures) return { peer, workload, unsupported: true };
    return {
      peer,
      workload,
      [task.unit]: rounded(figures.median),
      min: rounded(figures.minimum),
      samples: figures.samples,
    };
  });
  const ratio = ratioOf(measurement);
  if (ratio) lines.push({ workload, ratio: rounded(ratio.ratio), fastest: ratio.fastest });
  return lines.map((line) => JSON.stringify(line));
}
