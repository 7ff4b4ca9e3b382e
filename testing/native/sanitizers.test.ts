/**
 * The engine under the address, undefined-behavior and thread sanitizers. The instrumented engine is built beside the
 * other one, for one instruction set alone, and only what changed is compiled again.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { testedBackends } from "../generator/backends.ts";
import { outputOf, type ProgramOptions, plainEnvironment, runProgram, runSource } from "./runProgram.ts";

const native = join(import.meta.dirname, "../../packages/native");
const compiler = process.env.CXX ?? "c++";

interface Sanitizer {
  /** What the compiler is told. */
  readonly names: string;
  /** The instruction set it is built for, where it does not matter: one that compiles quickly. Absent: that in use. */
  readonly instructionSet?: string | undefined;
  /** Its libraries, which must be loaded before everything else. */
  readonly libraries: readonly string[];
  readonly options: Readonly<Record<string, string>>;
}

const memory: Sanitizer = {
  names: "address,undefined",
  // The C++ library too: the sanitizer wants to find the functions that throw when it starts.
  libraries: ["libasan.so", "libubsan.so", "libstdc++.so"],
  options: {
    // Node keeps much until the end.
    ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1",
    UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  },
};
const threads: Sanitizer = {
  names: "thread",
  instructionSet: process.arch === "x64" ? "sse4" : undefined,
  libraries: ["libtsan.so"],
  // Node and V8 are not instrumented: how they synchronize cannot be seen.
  options: { TSAN_OPTIONS: "ignore_noninstrumented_modules=1:halt_on_error=1" },
};

function libraryPath(name: string): string | undefined {
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" });
  const path = stdout?.trim();
  return path?.includes("/") && existsSync(path) ? path : undefined;
}

/** The instruction set in use; the engine's description names it. */
async function instructionSetInUse(): Promise<string> {
  const source = `import { loadBackend } from "nagare/backend"; import "nagare";
    console.log(loadBackend("native").description.split(", ")[1]);`;
  return outputOf(await runSource(source));
}

/** Builds the instrumented engine, with the build's progress on standard error, and returns its file. */
async function buildWith({ names, instructionSet }: Sanitizer): Promise<string> {
  const isa = instructionSet ?? (await instructionSetInUse());
  const { status } = spawnSync(
    process.execPath,
    [join(native, "scripts/build.ts"), `--isa=${isa}`, `--sanitize=${names}`],
    { stdio: ["ignore", 2, 2] },
  );
  assert.equal(status, 0, "the build of the instrumented engine");
  const folder = [process.platform, process.arch, isa, ...names.split(",")].join("-");
  return join(native, "build", folder, "nagare.node");
}

const scratch = mkdtempSync(join(tmpdir(), "nagare-sanitizers-"));
after(() => rmSync(scratch, { recursive: true }));

/** Builds the faults with the sanitizer and returns their file. */
function buildFaults({ names }: Sanitizer): string {
  const { include_dir: headers } = createRequire(import.meta.url)("node-api-headers") as {
    readonly include_dir: string;
  };
  const target = join(scratch, `faults-${names}.node`);
  const flags = [
    "-shared",
    "-fPIC",
    "-g1",
    `-fsanitize=${names}`,
    "-fno-sanitize-recover=all",
    "-isystem",
    headers,
  ];
  const source = join(import.meta.dirname, "programs/faults.cpp");
  const { status, stderr } = spawnSync(compiler, [...flags, source, "-pthread", "-o", target], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return target;
}

/** Why a sanitizer cannot run here; its libraries are `paths`. */
function obstacle({ libraries }: Sanitizer, paths: readonly (string | undefined)[], options: ProgramOptions) {
  if (!testedBackends.includes("native")) return "the engine does not load here";
  if (process.platform !== "linux") return `libraries are preloaded as on Linux; this is ${process.platform}`;
  const missing = libraries.filter((_, i) => !paths[i]);
  if (missing.length > 0) return `${compiler} has no ${missing.join(", ")} here`;
  // Some kernels place memory where some thread sanitizers do not expect it.
  const { status, stderr } = spawnSync(process.execPath, ["--eval", "0"], {
    env: { ...plainEnvironment(), ...options.env },
    encoding: "utf8",
  });
  return status === 0 ? undefined : `Node does not start under it: ${stderr.split("\n", 1)}`;
}

function describeSanitizer(sanitizer: Sanitizer, define: (options: ProgramOptions) => void): void {
  const paths = sanitizer.libraries.map(libraryPath);
  const options = { env: { LD_PRELOAD: paths.join(" "), ...sanitizer.options }, limitSeconds: 300 };
  const skip = obstacle(sanitizer, paths, options) ?? false;
  if (skip) console.log(`The ${sanitizer.names} sanitizer is not run: ${skip}`);
  describe(`the ${sanitizer.names} sanitizer`, { skip }, () => define(options));
}

function seesFault(sanitizer: Sanitizer, options: ProgramOptions, call: string, report: RegExp): void {
  test(`sees ${call}`, async () => {
    const file = buildFaults(sanitizer);
    const source = `import { createRequire } from "node:module";
      createRequire(${JSON.stringify(file)})(${JSON.stringify(file)}).${call};`;
    const { status, warnings } = await runSource(source, options);
    assert.notEqual(status, 0, warnings);
    assert.match(warnings, report);
  });
}

function staysSilent(
  sanitizer: Sanitizer,
  options: ProgramOptions,
  program: string,
  arguments_: readonly string[],
  what: string,
): void {
  test(`is silent about ${what}`, async (t) => {
    const env = { ...options.env, NAGARE_NATIVE_FILE: await buildWith(sanitizer) };
    t.diagnostic(outputOf(await runProgram(program, { ...options, env, arguments: arguments_ })));
  });
}

describeSanitizer(memory, (options) => {
  seesFault(memory, options, "readPastEnd(new Float32Array(3))", /AddressSanitizer: heap-buffer-overflow/);
  seesFault(memory, options, "overflow()", /signed integer overflow/);
  staysSilent(
    memory,
    options,
    "sanitized.ts",
    ["memory"],
    "every record, random, large and empty shapes at all addresses, compiled functions and training",
  );
  staysSilent(memory, options, "fuzz.ts", ["11", "4000"], "programs that make no sense");
});

describeSanitizer(threads, (options) => {
  seesFault(threads, options, "race()", /ThreadSanitizer: data race/);
  staysSilent(
    threads,
    options,
    "sanitized.ts",
    ["threads"],
    "operations on three threads, runs off three event loops, and training",
  );
});
