/** The same sources on other machines: compiled without a warning, run by an emulator or by Node's own WebAssembly. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { evaluateReference } from "nagare/backend";
import { testedBackends } from "../generator/backends.ts";
import { assertClose, toleranceOf } from "../generator/compare.ts";
import { compileCase, resultsOf, runExactly, sampleCases } from "./engineRuns.ts";
import { largeConvolutions, largeNarrowProducts, largeProducts } from "./largeCases.ts";
import { readMemories, writeRecordings } from "./replay.ts";
import { type EngineCase, shapeCases } from "./shapeCases.ts";

/** What the module exports; TypeScript knows WebAssembly only together with browsers. */
interface KernelModule {
  readonly exports: {
    readonly memory: { readonly buffer: ArrayBuffer };
    readonly failingCheck: () => number;
  };
}
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<KernelModule>;
  readonly Module: { imports(module: object): readonly object[] };
};

const native = join(import.meta.dirname, "../../packages/native");

/** Compiles for a target, with the build's progress on standard error. Returns why that cannot be done here, if so. */
function buildFor(target: string): string | undefined {
  const script = join(native, "scripts/build.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, `--target=${target}`], {
    encoding: "utf8",
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  process.stderr.write(stdout);
  if (status === 2) {
    console.log(`${target} is not tested here: ${stderr.trim()}`);
    return "its compiler is missing";
  }
  assert.equal(status, 0, stderr);
  return undefined;
}

function findEmulator(): string | undefined {
  return ["qemu-aarch64", "qemu-aarch64-static"].find((name) => spawnSync(name, ["--version"]).status === 0);
}

/** Compares what a case's memories hold after its run with the reference. */
function compare(test: EngineCase, memories: readonly ArrayBufferView[]): void {
  const outputs = memories.slice(test.inputs.length, test.inputs.length + resultCount(test));
  const results = resultsOf(test, outputs as never);
  evaluateReference(test.op, test.inputs, test.params).forEach((expected, i) => {
    assertClose(results[i] ?? expected, expected, toleranceOf(test.op, expected.dtype), test.label);
  });
}

function resultCount({ op, inputs, params }: EngineCase): number {
  return op.abstract(inputs, params).length;
}

describe("linux-arm64", () => {
  test("the engine and its kernels compile without a warning", (t) => {
    const obstacle = buildFor("linux-arm64");
    if (obstacle) t.skip(obstacle);
  });

  test("every record's samples, random and large shapes equal the reference, under an emulator", async (t) => {
    const obstacle = testedBackends.includes("native")
      ? buildFor("linux-arm64")
      : "the engine that compiles programs does not load here";
    const emulator = findEmulator();
    if (obstacle || !emulator) {
      const reason = obstacle ?? "qemu-aarch64 is missing (Debian: apt-get install qemu-user)";
      console.log(`linux-arm64 is not run here: ${reason}`);
      return t.skip(reason);
    }
    const { recordPrograms } = await import("./recordedPrograms.ts");
    const cases = [
      ...sampleCases(),
      ...shapeCases(5, 200),
      ...largeConvolutions(),
      ...largeProducts().slice(0, 12),
      ...largeNarrowProducts().filter((_, i) => i % 8 < 4),
    ];
    const programs = await recordPrograms((backend) => {
      for (const each of cases) runExactly(compileCase(backend, each), each, 0);
    });
    assert.equal(programs.length, cases.length);
    const { status, stdout, stderr } = spawnSync(emulator, [join(native, "build/linux-arm64-cross/replay")], {
      input: writeRecordings(programs),
      maxBuffer: 2 ** 31,
    });
    assert.equal(status, 0, String(stderr));
    assert.equal(String(stderr).trim(), "neon");
    const memories = readMemories(programs, stdout);
    cases.forEach((each, i) => {
      compare(each, memories[i] ?? []);
    });
  });
});

describe("wasm32", () => {
  test("the kernels compile without a warning, need nothing beside them, and compute", async (t) => {
    const obstacle = buildFor("wasm32");
    if (obstacle) return t.skip(obstacle);
    const module = await WebAssembly.compile(readFileSync(join(native, "build/wasm32-cross/kernels.wasm")));
    assert.deepEqual(WebAssembly.Module.imports(module), []);
    const { memory, failingCheck } = (await WebAssembly.instantiate(module, {})).exports;
    const text = new Uint8Array(memory.buffer, failingCheck());
    assert.equal(new TextDecoder().decode(text.subarray(0, text.indexOf(0))), "");
  });
});
