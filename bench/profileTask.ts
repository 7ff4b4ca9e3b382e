/** Where the time of a workload, or of a shape of a sweep, goes in Nagare. */
import * as ng from "nagare";
import { median, type Task } from "./harness/index.ts";
import { tensorsOf, workOf } from "./work.ts";

/** Runs before the profile, which compile and fill caches, and the longest time of those in it. */
const warmUp = 5;
const profiledMs = 500;

/** Pairs of runs whose times are compared. */
const pairs = 15;

/**
 * How long a run takes and how long its kernels do, in milliseconds: medians of runs in turns, one timed as a whole, the
 * next kernel by kernel. What the first has more went into calls, results' memory and the way from kernel to kernel.
 */
function compareWithKernels(run: () => unknown): { readonly wholeMs: number; readonly kernelMs: number } {
  const whole: number[] = [];
  const kernels: number[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    const start = performance.now();
    run();
    whole.push(performance.now() - start);
    kernels.push(ng.profile(run).profile.kernelMs);
  }
  return { wholeMs: median(whole), kernelMs: median(kernels) };
}

/**
 * The profile of some runs of a task, as text: a line for each operation and its shapes; below them what a run takes beside
 * the sum of its kernels' own times.
 */
export function profileTask(task: Task): string {
  const run = workOf(task)(tensorsOf(task.inputs()), task.parameters ?? {});
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
  const { wholeMs, kernelMs } = compareWithKernels(run);
  const ratio = kernelMs > 0 ? `, ratio ${(wholeMs / kernelMs).toFixed(3)}` : "";
  return (
    `${task.name}, ${runs} runs\n${profile.toString({ shapes: true })}\n` +
    `a run, unobserved: ${wholeMs.toFixed(3)} ms; its kernels' own times: ${kernelMs.toFixed(3)} ms${ratio}\n`
  );
}
