/** The first runs of a process; so this file needs one of its own, and its tests their order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { registerBackend } from "nagare/backend";
import { recordingBackend } from "./recordingBackend.ts";

test("before the first run of each kind there are many others, once, and none in what is recorded or traced", () => {
  const { backend, executed, compiled, ran } = recordingBackend();
  registerBackend("recording", () => backend);
  ng.setBackend("recording");
  const x = ng.tensor([1, 2, 3]);
  const counts = () => ({ operations: executed.length, programs: ran.length, compiled: compiled.length });

  ng.profile(() => x.add(1));
  assert.deepEqual(counts(), { operations: 1, programs: 0, compiled: 0 }, "a recording has what it is of");

  const y = ng.tensor([4, 5, 6]);
  const step = ng.jit((x: ng.Tensor) => x.mul(y.add(1)));
  const traced = counts();
  assert.deepEqual(step(x).toArray(), [5, 12, 21]);
  assert.equal(
    counts().compiled,
    traced.compiled + 2,
    "one program of the caller's, and one that does the least",
  );
  assert.ok(counts().programs >= traced.programs + 20);

  let earlier = counts();
  step(x);
  assert.deepEqual(counts(), { ...earlier, programs: earlier.programs + 1 }, "only once");

  earlier = counts();
  x.add(2);
  assert.deepEqual(counts(), { ...earlier, operations: earlier.operations + 1 }, "and operations, too");
  assert.ok(counts().operations >= 40);
});
