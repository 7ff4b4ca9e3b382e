/** Our earlier times on a machine of the same model, and how far the new ones are from them. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { currentBackend } from "nagare/backend";
import "nagare";
import type { Measurement } from "./measure.ts";
import { median } from "./report.ts";

/** Medians by workload, in the workload's unit. */
export type Baseline = Readonly<Record<string, number>>;

/** Slower by more than this share is drift and not noise. */
const tolerated = 0.05;

/**
 * The name of this machine's baseline: the processor's model, how many there are, and the instruction set in use, because
 * virtual machines call generations of processors by one name.
 */
export function machineName(): string {
  const all = cpus();
  const model = (all[0]?.model ?? "unknown").toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const { name, instructionSet = name } = currentBackend();
  return `${model.replaceAll(/^-|-$/g, "")}-x${all.length}-${instructionSet}`;
}

/** Our medians of a run. */
export function ownMedians(measurements: readonly Measurement[]): Baseline {
  const medians: Record<string, number> = {};
  for (const { task, outcomes } of measurements) {
    const [ours] = outcomes.values();
    if (ours?.kind === "measured") medians[task.name] = Number(median(ours.times).toPrecision(4));
  }
  return medians;
}

/** Reads a baseline; one that does not exist yet has no workloads. */
export async function readBaseline(file: string): Promise<Baseline> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Baseline;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

/** Writes a baseline; workloads that did not run keep their times. */
export async function writeBaseline(file: string, medians: Baseline): Promise<void> {
  const known = { ...(await readBaseline(file)), ...medians };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(known, null, 2)}\n`);
}

/** One line for each workload: its time, the baseline's, and the drift; what is slower is marked. */
export function driftLines(medians: Baseline, baseline: Baseline): string[] {
  const width = Math.max(0, ...Object.keys(medians).map((name) => name.length));
  return Object.entries(medians).map(([name, now]) => {
    const before = baseline[name];
    if (before === undefined) return `${name.padEnd(width)}  ${now}, without a baseline`;
    const drift = now / before - 1;
    const percent = `${drift < 0 ? "" : "+"}${(100 * drift).toFixed(1)} %`;
    return `${name.padEnd(width)}  ${now}, baseline ${before}: ${percent}${drift > tolerated ? "  SLOWER" : ""}`;
  });
}
