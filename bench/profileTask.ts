/** Where the time of a workload, or of a shape of a sweep, goes in Nagare. */
import * as ng from "nagare";
import type { Parameters, Task } from "./harness/index.ts";

/** Runs before the profile, which compile and fill caches, and the longest time of those in it. */
const warmUp = 5;
const profiledMs = 500;

/** Our own work for a task: a workload's, or a sweep's. */
export interface Work {
  prepare(inputs: Readonly<Record<string, ng.Tensor>>, parameters: Parameters): () => ng.Tensor;
}

/** The profile of some runs of a task, as text: a line for each operation and its shapes. */
export function profileTask(task: Task, work: Work): string {
  const inputs = Object.fromEntries(
    Object.entries(task.inputs()).map(([key, { shape, data }]) => [key, ng.tensor(data, { shape })]),
  );
  const run = work.prepare(inputs, task.parameters ?? {});
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
  return `${task.name}, ${runs} runs\n${profile.toString({ shapes: true })}\n`;
}
