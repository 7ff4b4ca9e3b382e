/** What the engine is built for: instruction sets and their flags, compilers, and how each kind of machine links. */
import { spawnSync } from "node:child_process";

/** One set of flags that kernels are compiled with, in a namespace of its name. */
export interface InstructionSet {
  readonly name: string;
  readonly flags: readonly string[];
  /** The set that all kernels are taken from but the products of narrow elements, which alone are compiled. */
  readonly base?: string;
  /** For tests: built only where it is asked for by name. */
  readonly hidden?: true;
}

/** A kind of machine. */
export interface Target {
  readonly name: string;
  /** The plainest first. */
  readonly instructionSets: readonly InstructionSet[];
  /** Flags of everything that is not a kernel; undefined where there are only kernels. */
  readonly baseline: readonly string[] | undefined;
  /** Compilers in the order in which they are tried. */
  readonly compilers: readonly string[];
  readonly install: string;
  readonly linkFlags: readonly string[];
}

const shared = ["-shared", "-pthread"];

const baseline = ["-march=x86-64-v2"];
const avx2 = ["-mavx2", "-mfma", "-mf16c"];
const avx512 = [...baseline, "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", ...avx2];
const avx512bf16 = [...avx512, "-mavx512bf16", "-mavx512vnni"];
interface Architecture {
  readonly instructionSets: readonly InstructionSet[];
  readonly baseline: readonly string[];
}
const x64: Architecture = {
  instructionSets: [
    { name: "sse4", flags: baseline },
    { name: "avx2", flags: [...baseline, ...avx2] },
    { name: "avx512", flags: avx512 },
    { name: "avx512bf16", flags: avx512bf16, base: "avx512" },
    { name: "amx", flags: [...avx512bf16, "-DNAGARE_AMX"], base: "avx512" },
    // The kernels of the one before, on tiles in software.
    { name: "amx_stand_in", flags: [...avx512bf16, "-DNAGARE_AMX_STAND_IN"], base: "avx512", hidden: true },
  ],
  baseline,
};
const arm64: Architecture = { instructionSets: [{ name: "neon", flags: [] }], baseline: [] };

/** Machines that code is compiled for on another one, by name. */
const crossTargets: Readonly<Record<string, Target>> = {
  "linux-arm64": {
    ...arm64,
    name: "linux-arm64",
    compilers: ["aarch64-linux-gnu-g++"],
    install: "apt-get install g++-aarch64-linux-gnu",
    linkFlags: shared,
  },
  // No library at all is linked: what kernels call beside each other is an error of the linker.
  wasm32: {
    name: "wasm32",
    instructionSets: [
      {
        name: "wasm",
        flags: ["--target=wasm32", "-msimd128", "-mbulk-memory", "-nostdlib", "-ffreestanding"],
      },
    ],
    baseline: undefined,
    compilers: ["clang++-19", "clang++", "clang++-18", "clang++-17", "clang++-16"],
    install: "apt-get install clang-19 lld-19",
    linkFlags: ["--target=wasm32", "-nostdlib", "-Wl,--no-entry,--no-gc-sections,--fatal-warnings"],
  },
};

/** The machine this runs on; undefined where there are no kernels for it. */
function hostTarget(): Target | undefined {
  const arch = { x64, arm64 }[process.arch as string];
  const darwin = process.platform === "darwin";
  return (
    arch && {
      ...arch,
      name: `${process.platform}-${process.arch}`,
      compilers: ["c++", "g++", "clang++"],
      install: "apt-get install g++",
      linkFlags: darwin ? ["-bundle", "-undefined", "dynamic_lookup", "-pthread"] : shared,
    }
  );
}

/** The target of that name, or the machine this runs on. Throws Error where there is none. */
export function targetNamed(name: string | undefined): Target {
  const target = name === undefined ? hostTarget() : crossTargets[name];
  if (target) return target;
  throw new Error(
    name === undefined
      ? `native engine: there are no kernels for ${process.arch} yet; Nagare runs on the reference backend there.`
      : `--target: expected one of ${Object.keys(crossTargets).join(", ")}; received ${JSON.stringify(name)}.`,
  );
}

/** A compiler that is there: its command and what it says about its version. */
export interface Compiler {
  readonly command: string;
  readonly version: string;
}

/** The compiler for a target: the one that `wanted` names, or the first of the usual ones; undefined without one. */
export function findCompiler(target: Target, wanted: string | undefined): Compiler | undefined {
  for (const command of wanted ? [wanted] : target.compilers) {
    const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
    if (status === 0) return { command, version: stdout };
  }
  return undefined;
}
