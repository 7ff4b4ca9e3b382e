import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import * as ng from "nagare";
import { optionalPasses, Program, registerBackend, withoutPasses } from "nagare/backend";
import { passFirstRuns, testedBackends } from "../generator/backends.ts";
import { tensorOf } from "../generator/draw.ts";
import { recordingBackend } from "./recordingBackend.ts";

const root = join(import.meta.dirname, "../..");

/** Runs a program in a process of its own, so that backends load anew. */
function run(program: string, environment: Record<string, string>) {
  const { NAGARE_BACKEND: _, NODE_TEST_CONTEXT: __, ...inherited } = process.env;
  const child = spawnSync(
    process.execPath,
    ["--conditions=nagare-source", "--input-type=module", "-e", program],
    {
      cwd: root,
      env: { ...inherited, ...environment },
      encoding: "utf8",
    },
  );
  return { status: child.status, output: child.stdout.trim(), warnings: child.stderr.trim() };
}

const computing = `
  import * as ng from "nagare";
  const sums = [1, 2, 3].map((n) => ng.tensor([n, 1]).sum().item());
  console.log(ng.backend(), sums.join(" "), ng.jit((x) => x.mul(2))(ng.tensor(4)).item());
`;

describe("choosing a backend", () => {
  test("native comes first, the reference is always there", () => {
    assert.deepEqual(ng.backendNames().slice(0, 2), ["native", "reference"]);
    assert.ok(testedBackends.includes("reference"));
  });

  test("an unknown name is refused with the list", () => {
    assert.throws(
      () => ng.setBackend("webgpu"),
      (error: unknown) => {
        return (
          error instanceof ng.ValueError &&
          /expected one of native, reference.*received "webgpu"/.test(error.message)
        );
      },
    );
  });

  test("when the engine is refused everything works on the reference, and one warning says why", () => {
    const { status, output, warnings } = run(computing, { NAGARE_NATIVE: "off" });
    assert.equal(status, 0, warnings);
    assert.equal(output, "reference 2 3 4 8");
    assert.equal(warnings.match(/nagare: using the backend "reference"/g)?.length, 1);
    assert.match(warnings, /NAGARE_NATIVE=off/);
  });

  test("when the engine is damaged everything works on the reference, and the warning names the file", () => {
    const { status, output, warnings } = run(computing, { NAGARE_NATIVE_FILE: "no/such/engine.node" });
    assert.equal(status, 0, warnings);
    assert.equal(output, "reference 2 3 4 8");
    assert.match(warnings, /no\/such\/engine\.node/);
  });

  test("NAGARE_BACKEND chooses without a warning; a wrong name is an error that lists the right ones", () => {
    const chosen = run(computing, { NAGARE_BACKEND: "reference" });
    assert.deepEqual([chosen.status, chosen.output, chosen.warnings], [0, "reference 2 3 4 8", ""]);
    const wrong = run(computing, { NAGARE_BACKEND: "cuda" });
    assert.notEqual(wrong.status, 0);
    assert.match(wrong.warnings, /expected one of native, reference; received "cuda"/);
  });

  test("asking for the engine when it cannot load is an error with the reason", () => {
    const refused = run(computing, { NAGARE_BACKEND: "native", NAGARE_NATIVE: "off" });
    assert.notEqual(refused.status, 0);
    assert.match(refused.warnings, /NAGARE_NATIVE=off/);
  });

  test("threads are whole numbers from 1 up", () => {
    for (const count of [0, -1, 1.5, Number.NaN]) assert.throws(() => ng.setThreads(count), ng.ValueError);
    ng.setBackend("reference");
    assert.equal(ng.threads(), 1);
    ng.setThreads(4);
    assert.equal(ng.threads(), 1, "the reference has one thread");
  });
});

describe("what a backend is asked to do", () => {
  const { backend, prepared, executed, compiled } = recordingBackend();
  registerBackend("recording", () => backend);
  before(() => {
    ng.setBackend("reference");
    passFirstRuns();
  });

  test("eager code executes operation by operation, compiled code compiles once and executes none", () => {
    ng.setBackend("recording");
    const f = (x: ng.Tensor): ng.Tensor => x.mul(2).add(1);
    f(ng.tensor(3));
    assert.deepEqual(executed.splice(0), ["mul", "add"]);
    const step = ng.jit(f);
    for (let i = 0; i < 3; i++) step(ng.tensor(i));
    assert.deepEqual([executed.splice(0), compiled.splice(0).length], [[], 1]);
    ng.setBackend("reference");
  });

  test("an eager operation is prepared once for the shapes, dtypes and parameters it meets", () => {
    ng.setBackend("recording");
    const prepares = (f: () => unknown): readonly string[] => {
      prepared.length = 0;
      for (let i = 0; i < 3; i++) f();
      return prepared.splice(0);
    };
    assert.deepEqual(
      prepares(() => ng.sin(ng.ones([2, 7]))),
      ["full", "sin"],
    );
    assert.deepEqual(
      prepares(() => ng.sin(ng.ones([7, 2]))),
      ["full", "sin"],
    );
    assert.deepEqual(
      prepares(() => ng.sin(tensorOf(new Array(14).fill(1), [2, 7], "float64"))),
      ["sin"],
    );
    const x = ng.ones([2, 7]);
    assert.deepEqual(
      prepares(() => [ng.max(x, { axis: 0 }), ng.max(x, { axis: 1 }), ng.max(x, { axis: 1 })]),
      ["reduceMax", "reduceMax"],
    );
    // More shapes than are compared one by one are still known.
    assert.equal(prepares(() => Array.from({ length: 40 }, (_, n) => ng.cos(ng.ones([n, 2, 7])))).length, 80);
    ng.setBackend("reference");
  });

  test("what was refused once is refused again", () => {
    ng.setBackend("recording");
    for (let i = 0; i < 2; i++) {
      assert.throws(() => ng.add(ng.ones([2, 3]), ng.ones([3, 2])), ng.ShapeError);
    }
    ng.setBackend("reference");
  });

  test("a compiled function is compiled for each backend that it runs on", () => {
    const step = ng.jit((x: ng.Tensor): ng.Tensor => x.mul(5));
    for (const name of ["recording", "reference", "recording"]) {
      ng.setBackend(name);
      assert.equal(step(ng.tensor(2)).item(), 10);
    }
    assert.equal(compiled.splice(0).length, 1);
    ng.setBackend("reference");
  });

  test("a graph with a symbolic size is compiled once for each size that is met", () => {
    ng.setBackend("recording");
    const { graph } = ng.traceGraph([{ shape: [ng.dim("n")], dtype: "float32" }], ([x]) => ({
      outputs: [ng.sum(x ?? 0)],
      result: undefined,
    }));
    const program = new Program(graph);
    for (const size of [2, 3, 2, 3, 4])
      assert.equal(program.run([tensorOf([1], [size], "float32")])[0]?.item(), 1);
    assert.deepEqual(
      compiled.splice(0).map(({ inputs }) => inputs[0]?.shape),
      [[2], [3], [4]],
    );
    ng.setBackend("reference");
  });

  test("outputs that are inputs or constants never reach a backend", () => {
    ng.setBackend("recording");
    const constant = ng.tensor([1, 2]);
    ng.jit((x: ng.Tensor) => [x, constant, x.mul(3)])(ng.tensor(1));
    const [graph] = compiled.splice(0);
    assert.equal(graph?.outputs.length, 1);
    ng.setBackend("reference");
  });

  test("each pass can be switched off by name, for a while", () => {
    ng.setBackend("recording");
    const f = (x: ng.Tensor): ng.Tensor => ng.sin(x).mul(1).add(ng.sin(x));
    const nodes = (off: readonly string[]): number => {
      withoutPasses(off, () => ng.jit(f)(ng.tensor(1)));
      return compiled.splice(0)[0]?.nodes.length ?? 0;
    };
    assert.equal(nodes(optionalPasses), 4);
    assert.equal(nodes(["fuse", "recompute"]), 2);
    assert.equal(nodes([]), 1);
    ng.setBackend("reference");
  });

  test("the state that a program may write over is named as an alias, with equal avals", () => {
    ng.setBackend("recording");
    const [v, w] = [ng.variable(ng.zeros([3])), ng.variable(ng.zeros([2]))];
    ng.jit((x: ng.Tensor) => {
      v.assign(v.value.add(x));
      return w.value.mul(2);
    })(ng.tensor(1));
    const [graph] = compiled.splice(0);
    assert.ok(graph);
    const [alias, ...others] = graph.aliases;
    assert.ok(alias && others.length === 0);
    assert.deepEqual(graph.outputs[alias.output]?.shape, [3]);
    assert.deepEqual(graph.inputs[alias.input]?.shape, [3]);
    ng.setBackend("reference");
  });
});
