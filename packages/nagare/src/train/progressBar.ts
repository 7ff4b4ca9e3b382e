/** Progress in the terminal. */
import type { Logs } from "./averages.ts";
import type { Callback, Progress } from "./callback.ts";

/** Options of `progressBar`. */
export interface ProgressBarOptions {
  /** Where to draw; default: standard error. Lines are redrawn only on a terminal. */
  readonly stream?: { write(text: string): unknown; readonly isTTY?: boolean };
  /** Least milliseconds between two drawings; default 100. */
  readonly everyMs?: number;
}

const barWidth = 24;

function figures(logs: Logs): string {
  return Object.entries(logs)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join("  ");
}

/** One line of progress: `epoch 1/3 [████────] 120/469  loss 0.3312  accuracy 0.9012  14,210 examples/s`. */
export function formatProgress(progress: Progress, logs: Logs): string {
  const { epoch, epochs, batch, batches, examplesPerSecond } = progress;
  const filled = batches ? Math.round((barWidth * batch) / batches) : 0;
  const bar = batches ? ` [${"█".repeat(filled)}${"─".repeat(Math.max(0, barWidth - filled))}]` : "";
  const rate = Math.round(examplesPerSecond).toLocaleString("en-US");
  return `epoch ${epoch + 1}/${epochs}${bar} ${batch}${batches ? `/${batches}` : ""}  ${figures(logs)}  ${rate} examples/s`;
}

/**
 * Draws a bar with the loss, the metrics and the examples per second, and a line for each finished epoch.
 */
export function progressBar({ stream, everyMs = 100 }: ProgressBarOptions = {}): Callback {
  const standard = (
    globalThis as { process?: { stderr?: { write(text: string): unknown; isTTY?: boolean } } }
  ).process?.stderr;
  const out = stream ?? standard;
  let last = Number.NEGATIVE_INFINITY;
  let rate = 0;
  return {
    onBatchEnd(progress, logs) {
      rate = progress.examplesPerSecond;
      const now = performance.now();
      if (!out?.isTTY || (now - last < everyMs && progress.batch !== progress.batches)) return;
      last = now;
      out.write(`\r${formatProgress(progress, logs)}\u001b[K`);
    },
    onEpochEnd(progress, logs) {
      out?.write(
        `${out.isTTY ? "\r" : ""}${formatProgress({ ...progress, examplesPerSecond: rate }, logs)}${out.isTTY ? "\u001b[K" : ""}\n`,
      );
    },
  };
}
