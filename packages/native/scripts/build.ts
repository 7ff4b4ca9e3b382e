/**
 * Builds the engine, packages/native/build/<platform>-<arch>/nagare.node, with the system's C++ compiler.
 *
 * Kernels are compiled once for each instruction set, the engine once for the platform's baseline. Only what changed is
 * compiled again.
 *
 * `--sanitize=address,undefined` or `--sanitize=thread` builds into build/<platform>-<arch>-<sanitizers> instead;
 * `--isa=avx2` (or several, with commas) leaves the other instruction sets out, except those that share its kernels, and adds its
 * name to the folder's. `--isa=amx_stand_in` builds the kernels for AMX with its instructions in software, for tests.
 * CXX names the compiler; by default the first of c++, g++, clang++ that is there.
 *
 * `--target=linux-arm64` and `--target=wasm32` compile for another kind of machine, to check that they can: without
 * optimizations that take long, and with checks that run there. For linux-arm64 the engine and `replay`, for wasm32
 * `kernels.wasm`, all kernels with nothing beside them. CXX_linux_arm64 and CXX_wasm32 name the compilers.
 * Exits with 2 where the compiler is missing.
 */
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  compileObjects,
  digest,
  home,
  planObjects,
  removeOthers,
  run,
  sourcesIn,
  type Unit,
} from "./objects.ts";
import { findCompiler, type InstructionSet, type Target, targetNamed } from "./targets.ts";

interface Options {
  readonly sanitize?: string | undefined;
  readonly isa?: string | undefined;
  readonly target?: string | undefined;
}

const common = [
  "-std=gnu++17",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-fPIC",
  "-fvisibility=hidden",
  "-fvisibility-inlines-hidden",
];
// No -ffast-math: NaN and infinities keep their meaning; a·b + c may become one rounding.
const kernelFlags = ["-O3", "-fno-math-errno", "-ffp-contract=fast", "-fno-exceptions", "-fno-rtti"];
const engineFlags = ["-O2"];

function headerFolder(): string {
  const api = createRequire(import.meta.url)("node-api-headers") as { readonly include_dir: string };
  return api.include_dir;
}

/** The name of the set that most of its kernels are compiled for. */
const familyOf = ({ name, base }: InstructionSet): string => base ?? name;

function chooseSets(target: Target, isa: string | undefined): readonly InstructionSet[] {
  const wanted = isa?.split(",");
  const names = target.instructionSets.map(({ name }) => name);
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new Error(`--isa: expected some of ${names.join(", ")}; received ${JSON.stringify(unknown)}.`);
  const families = target.instructionSets.filter(({ name }) => wanted?.includes(name) ?? true).map(familyOf);
  return target.instructionSets.filter(
    (set) => families.includes(familyOf(set)) && (!set.hidden || wanted?.includes(set.name)),
  );
}

function kernelUnits(
  sets: readonly InstructionSet[],
  sources: readonly string[],
  extra: readonly string[],
): Unit[] {
  const narrow = join("kernels", "gemm_narrow.cpp");
  return sets.flatMap(({ name, flags, base }) =>
    (base === undefined ? sources : [narrow]).map((source) => ({
      source,
      flags: [...common, ...kernelFlags, ...flags, `-DNAGARE_ISA=${name}`, ...extra],
      label: `${source} (${name})`,
    })),
  );
}

function engineUnits(
  baseline: readonly string[],
  sets: readonly InstructionSet[],
  sources: readonly string[],
  extra: readonly string[],
): Unit[] {
  // What is preferred comes first.
  const preferred = sets.toReversed();
  const whole = preferred.flatMap(({ name, base }) => (base === undefined ? [`X(${name})`] : []));
  const narrow = preferred.flatMap(({ name, base }) => (base === undefined ? [] : [`X(${name},${base})`]));
  const choice = [
    `-DNAGARE_INSTRUCTION_SETS(X)=${whole.join(" ")}`,
    `-DNAGARE_NARROW_SETS(X)=${narrow.join(" ")}`,
  ];
  const flags = [
    ...common,
    ...engineFlags,
    ...baseline,
    "-isystem",
    headerFolder(),
    "-DNAPI_VERSION=8",
    ...extra,
  ];
  // Only what chooses among the sets knows of them: everything else is the same whichever are built.
  const flagsOf = (source: string) => (source === join("engine", "isa.cpp") ? [...flags, ...choice] : flags);
  return sources.map((source) => ({ source, flags: flagsOf(source), label: source }));
}

async function build({ sanitize, isa, target: name }: Options): Promise<void> {
  const started = performance.now();
  const target = targetNamed(name);
  const variable = name === undefined ? "CXX" : `CXX_${name.replace("-", "_")}`;
  const wanted = process.env[variable];
  const compiler = findCompiler(target, wanted);
  if (!compiler) {
    console.error(
      `native engine: expected a C++17 compiler; found none of ${(wanted ? [wanted] : target.compilers).join(", ")}. ` +
        `Install one (Debian: ${target.install}), or set ${variable} to its path.`,
    );
    process.exit(2);
  }
  // Optimizing instrumented templates would be most of the build, and could leave out what a sanitizer should see.
  // Nor is anything inlined: each copy of a function would carry checks of its own.
  const sanitizing = sanitize
    ? [
        `-fsanitize=${sanitize}`,
        "-fno-omit-frame-pointer",
        "-fno-sanitize-recover=all",
        "-g1",
        "-O0",
        "-Dalways_inline=unused",
      ]
    : [];
  const extra = name === undefined ? sanitizing : ["-Og"];
  const sets = chooseSets(target, isa);
  const variant = [target.name, ...(name === undefined ? [] : ["cross"]), ...(isa?.split(",") ?? [])];
  const folder = join(home, "build", [...variant, ...(sanitize?.split(",") ?? [])].join("-"));
  const objects = join(folder, "objects");

  const kernels = kernelUnits(sets, sourcesIn("kernels"), extra);
  const engine = target.baseline ? engineUnits(target.baseline, sets, sourcesIn("engine"), extra) : [];
  const checks =
    name === undefined
      ? []
      : target.baseline
        ? engineUnits(target.baseline, sets, ["checks/replay.cpp"], extra)
        : kernelUnits(sets, ["checks/kernels.cpp"], extra);
  const planned = planObjects([...kernels, ...engine, ...checks], compiler, [
    objects,
    join(home, "build", target.name, "objects"),
  ]);
  const stamp = join(objects, `link-${digest(planned.map(({ object }) => object))}`);
  const product = target.baseline ? "nagare.node" : "kernels.wasm";
  if (existsSync(stamp) && existsSync(join(folder, product))) return;

  await compileObjects(planned, compiler);
  const link = async (file: string, flags: readonly string[], isPart: (unit: Unit) => boolean) => {
    const to = join(folder, file);
    const parts = planned.filter(isPart).map(({ object }) => object);
    await run(compiler.command, [
      ...flags,
      ...sanitizing,
      ...(sanitize ? [] : ["-s"]),
      ...parts,
      "-o",
      `${to}.part`,
    ]);
    renameSync(`${to}.part`, to);
  };
  const isCheck = ({ source }: Unit) => source.startsWith("checks");
  if (target.baseline) {
    await link(product, target.linkFlags, (unit) => !isCheck(unit));
    // Linked statically, it finds everything under an emulator.
    if (checks.length > 0) {
      await link(
        "replay",
        ["-static", "-pthread"],
        ({ source }) => !source.startsWith(join("engine", "addon")),
      );
    }
  } else {
    await link(product, target.linkFlags, () => true);
  }
  removeOthers(objects, new Set([...planned.map(({ object }) => object), stamp]));
  writeFileSync(stamp, "");
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${join(folder, product).slice(home.length + 1)} in ${seconds} s`);
}

const { values } = parseArgs({
  options: { sanitize: { type: "string" }, isa: { type: "string" }, target: { type: "string" } },
});
try {
  await build(values);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
