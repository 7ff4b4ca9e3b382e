/** Where the time of a workload goes in Nagare. */
import * as ng from "nagare";
import type { Workload } from "./workloads/workload.ts";

/** Runs before the profile, which compile and fill caches, and the longest time of those in it. */
const warmUp = 5;
const profiledMs = 500;

/** The profile of some runs of a workload, as text: a line for each operation and its shapes. */
export function profileWorkload(workload: Workload): string {
  const inputs = Object.fromEntries(
    Object.entries(workload.inputs()).map(([key, { shape, data }]) => [key, ng.tensor(data, { shape })]),
  );
  const run = workload.prepare(inputs);
  for (let count = 0; count < warmUp; count += 1) run();
  const { result: runs, profile } = ng.profile(() => {
    const end = performance.now() + profiledMs;
    let count = 0;
    do {
      run();
      count += 1;
    } while (performance.now() < end);
    return count;
  });
  return `${workload.name}, ${runs} runs\n${profile.toString({ shapes: true })}\n`;
}
