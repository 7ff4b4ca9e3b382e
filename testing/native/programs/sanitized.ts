/**
 * What the engine built with sanitizers is put through. They end the process at the first fault.
 *
 *     node sanitized.ts memory     every operation in memory that ends where its operands end; compiled; training
 *     node sanitized.ts threads    operations large enough for several threads; runs from three JavaScript threads; training
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import * as ng from "nagare";
import { loadBackend, primitives } from "nagare/backend";
import { apply } from "../../generator/cases.ts";
import { checkSpecialValues } from "../../generator/values.ts";
import { largeAttentions } from "../attentionCases.ts";
import { compileCase, runExactly, sampleCases, trainConvolutions } from "../engineRuns.ts";
import { finishedProducts, largeConvolutions, largeNarrowProducts, largeProducts } from "../largeCases.ts";
import { largeSequences } from "../sequenceCases.ts";
import { type EngineCase, shapeCases } from "../shapeCases.ts";
import { zeroSizeCases } from "../zeroSizeCases.ts";

ng.setBackend("native");
ng.setThreads(3);
const backend = loadBackend("native");

/** At even and at odd addresses: nothing may rely on more than an element's alignment, and results are the same. */
function runAtAllAddresses(test: EngineCase): void {
  const executable = compileCase(backend, test);
  const [even, odd] = [runExactly(executable, test, 0), runExactly(executable, test, 1)];
  assert.deepEqual(odd, even, test.label);
}

/** Zero-size variants may ask for an element of nothing, which is refused. */
function runEmpty(test: EngineCase): void {
  try {
    runAtAllAddresses(test);
  } catch (error) {
    if (!(error instanceof ng.ValueError)) throw error;
  }
}

function runCompiled(test: EngineCase): void {
  ng.jit((...xs: ng.Tensor[]) => apply(test, xs))(...test.inputs);
}

async function checkMemory(): Promise<void> {
  const samples = sampleCases();
  for (const test of [
    ...samples,
    ...shapeCases(7, 1500),
    ...largeProducts(),
    ...largeNarrowProducts(),
    ...largeConvolutions(),
    ...largeSequences(),
    ...largeAttentions(),
  ])
    runAtAllAddresses(test);
  primitives().flatMap(zeroSizeCases).forEach(runEmpty);
  for (const op of primitives()) {
    if (op.scalar) for (const dtype of op.dtypes) checkSpecialValues(op, dtype);
  }
  samples.forEach(runCompiled);
  finishedProducts();
  await trainConvolutions(3);
}

async function checkThreads(): Promise<void> {
  const workers = new Worker(new URL("./workers.ts", import.meta.url));
  const ended = once(workers, "exit");
  const training = trainConvolutions(3);
  for (const test of [
    ...shapeCases(8, 300),
    ...largeProducts(),
    ...largeNarrowProducts(),
    ...largeConvolutions(),
    ...largeSequences(),
    ...largeAttentions(),
  ]) {
    runExactly(compileCase(backend, test), test, 0);
    await Promise.resolve();
  }
  finishedProducts();
  const weights = await training;
  ng.setThreads(2);
  assert.equal(await trainConvolutions(3), weights);
  assert.deepEqual(await ended, [0]);
}

await (process.argv[2] === "threads" ? checkThreads() : checkMemory());
console.log(backend.description);
