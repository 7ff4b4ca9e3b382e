/** The benchmark command: Nagare and its peers on the same workloads, in turns. */

import { writeFile } from "node:fs/promises";
import { constants, loadavg } from "node:os";
import { join } from "node:path";
import { currentBackend, type Roofline } from "nagare/backend";
import "nagare";
import type { BenchOptions, Measurement, Task } from "./harness/index.ts";
import {
  chart,
  driftLines,
  failures,
  findPeers,
  jsonLines,
  machineName,
  measure,
  ownMedians,
  parseBenchArguments,
  readBaseline,
  summary,
  sweepTable,
  table,
  UsageError,
  usage,
  WorkerParty,
  writeBaseline,
} from "./harness/index.ts";
import { mixedPrecisionLine } from "./mixedPrecision.ts";
import { profileTask } from "./profileTask.ts";
import { sweeps } from "./sweeps/index.ts";
import { chargptTrain } from "./workloads/chargptTrain.ts";
import { workloads } from "./workloads/index.ts";

const say = (line: string): void => console.error(line);

/** Above this load average other work takes a share of the processors that shows in the figures. */
const quietLoad = 0.5;

/** Whether a task's figures are operations or bytes a second. */
const isRated = ({ flops, bytes }: Task): boolean => (flops ?? bytes) !== undefined;

function profile({ sweep: name, workloads: names }: BenchOptions): void {
  const tasks: readonly Task[] = sweeps.find((one) => one.name === name)?.tasks ?? workloads;
  for (const task of tasks) if (names.includes(task.name)) console.log(profileTask(task));
}

/** Writes the files that were asked for, and prints the drift. */
async function keep(
  measurements: readonly Measurement[],
  { out, chart: chartFile, baseline }: Pick<BenchOptions, "out" | "chart" | "baseline">,
): Promise<void> {
  if (out !== undefined) await writeFile(out, `${measurements.flatMap(jsonLines).join("\n")}\n`);
  if (chartFile !== undefined)
    await writeFile(
      chartFile,
      chart(measurements, "Nagare’s time ÷ the fastest peer’s: below 1, Nagare is faster"),
    );
  if (baseline === undefined) return;
  const file = join(import.meta.dirname, "baselines", `${machineName()}.json`);
  const medians = ownMedians(measurements);
  if (baseline === "write") await writeBaseline(file, medians);
  else for (const line of driftLines(medians, await readBaseline(file))) say(line);
}

async function bench({ json, peers, rounds, sweep, ...options }: BenchOptions): Promise<number> {
  const { commands, missing } = await findPeers(peers, process.env);
  for (const line of missing) say(line);
  const [load = 0] = loadavg();
  if (load > quietLoad) {
    say(
      `The machine is busy (load average ${load.toFixed(1)}): the figures will be rough. Expected below ${quietLoad}.`,
    );
  }
  const ours = {
    name: "nagare",
    command: process.execPath,
    arguments: [...process.execArgv, join(import.meta.dirname, "nagareParty.ts")],
    environment: process.env,
  };
  const parties = [ours, ...commands].map((command) => new WorkerParty(command));
  const alone = new WorkerParty({ ...ours, environment: { ...process.env, NAGARE_THREADS: "1" } });
  const measurements: Measurement[] = [];
  const measurementsAlone: Measurement[] = [];
  // Of every task's minute: a machine that others use too is not the same in all.
  const peaks: Roofline[] = [];
  try {
    const swept = sweeps.find(({ name }) => name === sweep);
    const tasks: readonly Task[] = swept?.tasks ?? workloads;
    for (const task of tasks.filter(({ name }) => options.workloads.includes(name))) {
      const measurement = await measure(task, parties, rounds, (what) => say(`${task.name}: ${what}`));
      measurements.push(measurement);
      if (swept?.aloneFromFlops !== undefined && (task.flops ?? 0) >= swept.aloneFromFlops)
        measurementsAlone.push(
          await measure(task, [alone], rounds, (what) => say(`${task.name} on one thread: ${what}`)),
        );
      const peak =
        sweep === undefined || !isRated(task) ? undefined : currentBackend().roofline?.({ again: true });
      if (peak) peaks.push(peak);
      if (json) for (const line of jsonLines(measurement)) console.log(line);
    }
  } finally {
    await Promise.all([...parties, alone].map((party) => party.close()));
  }
  if (!json) {
    for (const { name, about } of parties) if (about) console.log(`${name}: ${about}`);
    const names = parties.map(({ name }) => name);
    const rated = sweep !== undefined && measurements.some(({ task }) => isRated(task));
    const figures = !rated ? table(measurements, names) : sweepTable(measurements, names, peaks);
    console.log(`\nMedians, ${rounds} ${rounds === 1 ? "round" : "rounds"}\n${figures}`);
    if (measurementsAlone.length > 0) {
      const peaksAlone = peaks.map(({ flopsOneThread: flops, bytesOneThread: bytes }) => ({ flops, bytes }));
      console.log(`\nOn one thread\n${sweepTable(measurementsAlone, [alone.name], peaksAlone)}`);
    }
    const ratios = summary(measurements);
    if (ratios) console.log(ratios);
    if (options.workloads.includes(chargptTrain.name)) console.log(mixedPrecisionLine());
  }
  await keep(measurements, options);
  const failed = failures([...measurements, ...measurementsAlone]);
  for (const line of failed) say(line);
  return measurements.every(({ outcomes }) => outcomes.get("nagare")?.kind === "measured") ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Ending through exit removes temporary files; the parties end when their input does.
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
try {
  const options = parseBenchArguments(
    process.argv.slice(2),
    workloads.map(({ name }) => name),
    Object.fromEntries(sweeps.map(({ name, tasks }) => [name, tasks.map((task) => task.name)])),
  );
  if (options.help) console.log(usage(workloads));
  else if (options.profile) profile(options);
  else process.exitCode = await bench(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(error.message);
  process.exitCode = 2;
}
