/** Progress in the terminal. */
import type { Logs } from "./averages.ts";
import type { Callback, Progress } from "./callback.ts";

/** What progress is drawn on: a terminal, a file, or anything else that text can be written to. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** The width of the terminal. */
  readonly columns?: number;
}

/** Options of `progressBar`. */
export interface ProgressBarOptions {
  /** Where to draw; default: standard error. Lines are redrawn only on a terminal. */
  readonly stream?: TextStream;
  /** Least milliseconds between two drawings; default 100. */
  readonly everyMs?: number;
}

const barWidth = 24;
const clearToEnd = "\u001b[K";

/** The process's standard error, where there is one. */
export function standardError(): TextStream | undefined {
  return (globalThis as { process?: { stderr?: TextStream } }).process?.stderr;
}

function figures(logs: Logs): string {
  return Object.entries(logs)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join("  ");
}

/** One line of progress: `epoch 1/3 [████────] 120/469  loss 0.3312  accuracy 0.9012  14,210 examples/s`. */
export function formatProgress(progress: Progress, logs: Logs): string {
  const { epoch, epochs, batch, batches, examplesPerSecond } = progress;
  const filled = batches ? Math.round((barWidth * batch) / batches) : 0;
  const bar = batches ? ` [${"█".repeat(filled)}${"─".repeat(barWidth - filled)}]` : "";
  const rate = Math.round(examplesPerSecond).toLocaleString("en-US");
  return `epoch ${epoch + 1}/${epochs}${bar} ${batch}${batches ? `/${batches}` : ""}  ${figures(logs)}  ${rate} examples/s`;
}

/**
 * Draws a bar with the loss, the metrics and the examples per second, and a line for each finished epoch.
 * @example
 * await model.fit(data, { callbacks: [train.progressBar({ stream: process.stdout })] });
 */
export function progressBar({ stream = standardError(), everyMs = 100 }: ProgressBarOptions = {}): Callback {
  let last = Number.NEGATIVE_INFINITY;
  let isOpen = false;
  /** Writes over the line the cursor is in. A line wider than the terminal would leave its first part behind. */
  const draw = (line: string): void => {
    const width = stream?.columns ? stream.columns - 1 : line.length;
    stream?.write(stream.isTTY ? `\r${line.slice(0, width)}${clearToEnd}` : line);
    isOpen = true;
  };
  const endLine = (): void => {
    if (isOpen) stream?.write("\n");
    isOpen = false;
  };
  return {
    onBatchEnd(progress, logs) {
      const now = performance.now();
      if (!stream?.isTTY || (now - last < everyMs && progress.batch !== progress.batches)) return;
      last = now;
      draw(formatProgress(progress, logs));
    },
    onEpochEnd(progress, logs) {
      draw(formatProgress(progress, logs));
      endLine();
    },
    onTrainError() {
      endLine();
    },
  };
}
