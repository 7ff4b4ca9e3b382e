/** Prints a digest of the bits of everything the engine computes, operation by operation, and of a trained network. */
import { createHash } from "node:crypto";
import * as ng from "nagare";
import { type ConcreteTensor, loadBackend } from "nagare/backend";
import { apply } from "../../generator/cases.ts";
import { largeAttentions } from "../attentionCases.ts";
import { compileCase, runExactly, sampleCases, trainConvolutions } from "../engineRuns.ts";
import { largeConvolutions, largeNarrowProducts, largeProducts } from "../largeCases.ts";
import { largeSequences } from "../sequenceCases.ts";
import { shapeCases } from "../shapeCases.ts";

ng.setBackend("native");
const backend = loadBackend("native");
const hashes = new Map<string, ReturnType<typeof createHash>>();
const add = (name: string, array: ArrayBufferView): void => {
  const hash = hashes.get(name) ?? createHash("sha256");
  hashes.set(name, hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)));
};
for (const test of [
  ...sampleCases(),
  ...shapeCases(6, 1000),
  ...largeProducts(),
  ...largeNarrowProducts(),
  ...largeConvolutions(),
  ...largeSequences(),
  ...largeAttentions(),
]) {
  for (const array of runExactly(compileCase(backend, test), test, 0)) add(test.op.name, array);
  const compiled = ng.jit((...xs: ng.Tensor[]) => apply(test, xs));
  for (const result of compiled(...test.inputs))
    add(`compiled ${test.op.name}`, (result as ConcreteTensor).storage.readSync());
}
add("training", new TextEncoder().encode(await trainConvolutions(6)));
const digests = Object.fromEntries([...hashes].map(([name, hash]) => [name, hash.digest("hex")]));
console.log(JSON.stringify({ threads: ng.threads(), digests }));
