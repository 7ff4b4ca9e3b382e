/** The first runs of a process; so this file needs one of its own, and its tests their order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ng from "nagare";
import { loadBackend } from "nagare/backend";

/** Counts what a backend runs and compiles from now on. */
function counting(): { operations: number; programs: number; compiled: number } {
  const backend = loadBackend("reference");
  const counts = { operations: 0, programs: 0, compiled: 0 };
  const { prepare, compile } = backend;
  backend.prepare = (...call) => {
    const run = prepare.apply(backend, call);
    return (operands) => {
      counts.operations += 1;
      return run(operands);
    };
  };
  backend.compile = (graph) => {
    counts.compiled += 1;
    const executable = compile.call(backend, graph);
    return {
      run: (inputs, reuse) => {
        counts.programs += 1;
        return executable.run(inputs, reuse);
      },
    };
  };
  return counts;
}

test("before the first run of each kind there are many others, once, and none in what is recorded or traced", () => {
  ng.setBackend("reference");
  const counts = counting();
  const x = ng.tensor([1, 2, 3]);
  const before = () => ({ ...counts });

  ng.profile(() => x.add(1));
  assert.deepEqual(counts, { operations: 1, programs: 0, compiled: 0 }, "a recording has what it is of");

  const y = ng.tensor([4, 5, 6]);
  const step = ng.jit((x: ng.Tensor) => x.mul(y.add(1)));
  const traced = before();
  assert.deepEqual(step(x).toArray(), [5, 12, 21]);
  assert.equal(
    counts.compiled,
    traced.compiled + 2,
    "one program of the caller's, and one that does the least",
  );
  assert.ok(counts.programs >= traced.programs + 20);

  let earlier = before();
  step(x);
  assert.deepEqual(counts, { ...earlier, programs: earlier.programs + 1 }, "only once");

  earlier = before();
  x.add(2);
  assert.deepEqual(counts, { ...earlier, operations: earlier.operations + 1 }, "and operations, too");
  assert.ok(counts.operations >= 40);
});
