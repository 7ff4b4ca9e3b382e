/**
 * One thread and two workers compute at once, eagerly, compiled and off their event loops, and check every result.
 * Prints how many threads the process got by it, beside those that Node made.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { parentPort, Worker, workerData } from "node:worker_threads";
import * as ng from "nagare";

/** Σ over a matrix whose rows are 0…n−1, times n columns of `factor`: a sum that is exact in float32. */
async function compute(factor: number): Promise<void> {
  const size = 64;
  const rows = ng.arange(size).expandDims(0).broadcastTo([size, size]);
  const step = ng.jit((x: ng.Tensor) => x.matmul(ng.full([size, size], factor)).sum());
  const expected = ((size * (size - 1)) / 2) * size * size * factor;
  const total = ng.variable(ng.zeros([]));
  const count = ng.jit((x: ng.Tensor) => total.assign(total.value.add(x)));
  for (let i = 0; i < 60; i++) {
    assert.equal(step(rows).item(), expected);
    const pending = [step.runAsync(rows), step.runAsync(rows), count.runAsync(ng.tensor(1))] as const;
    assert.equal(rows.add(factor).sum().item(), ((size * (size - 1)) / 2) * size + factor * size * size);
    assert.equal((await pending[0]).item(), expected);
    assert.equal((await pending[1]).item(), expected);
  }
  assert.equal(total.value.item(), 60);
}

/** The threads of this process, where the system lists them. */
function threadCount(): number {
  return process.platform === "linux" ? readdirSync("/proc/self/task").length : 0;
}

// Without a factor it is this thread that starts the workers.
const factor: unknown = workerData;
if (typeof factor !== "number") {
  const workers = [2, 3].map((each) => new Worker(new URL(import.meta.url), { workerData: each }));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const before = threadCount();
  ng.setBackend("native");
  ng.setThreads(3);
  for (const worker of workers) worker.postMessage("go");
  const answers = workers.map((worker) => once(worker, "message"));
  await compute(1);
  const backends = (await Promise.all(answers)).flat();
  const added = threadCount() - before;
  for (const worker of workers) worker.postMessage("stop");
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  console.log(JSON.stringify({ added, threads: ng.threads(), backends }));
} else if (parentPort) {
  parentPort.postMessage("ready");
  await once(parentPort, "message");
  await compute(factor);
  parentPort.postMessage(`${ng.backend()} ${ng.threads()}`);
  await once(parentPort, "message");
  parentPort.close();
}
