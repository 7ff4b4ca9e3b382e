/**
 * Builds the engine, packages/native/build/<platform>-<arch>/nagare.node, with the system's C++ compiler.
 *
 * Kernels are compiled once for each instruction set, the engine once for the platform's baseline. Only what changed is compiled again:
 * an object is named after a hash of everything that went into it (sources, headers, flags, compiler).
 *
 * `--sanitize=address,undefined` or `--sanitize=thread` builds into build/<platform>-<arch>-<sanitizers> instead;
 * `--isa=avx2` (or several, with commas) leaves the other instruction sets out, and adds its name to the folder's.
 * CXX names the compiler; by default the first of c++, g++, clang++ that is there.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const home = join(import.meta.dirname, "..");

/** Flags of each instruction set, the plainest first; kernels are compiled in a namespace of its name. */
const instructionSets: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  x64: {
    sse4: ["-march=x86-64-v2"],
    avx2: ["-march=x86-64-v2", "-mavx2", "-mfma", "-mf16c"],
    avx512: [
      "-march=x86-64-v2",
      "-mavx512f",
      "-mavx512vl",
      "-mavx512bw",
      "-mavx512dq",
      "-mavx2",
      "-mfma",
      "-mf16c",
    ],
  },
  arm64: { neon: [] },
};
const baseline: Readonly<Record<string, readonly string[]>> = { x64: ["-march=x86-64-v2"], arm64: [] };

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

interface Unit {
  readonly source: string;
  readonly flags: readonly string[];
  readonly label: string;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function findCompiler(): string {
  const wanted = process.env.CXX;
  const names = wanted ? [wanted] : ["c++", "g++", "clang++"];
  const found = names.find((name) => spawnSync(name, ["--version"]).status === 0);
  return (
    found ??
    fail(
      `native engine: expected a C++17 compiler; found none of ${names.join(", ")}. Install one (Debian: apt-get install g++), ` +
        `or set CXX to its path.`,
    )
  );
}

function headerFolder(): string {
  const api = createRequire(import.meta.url)("node-api-headers") as { readonly include_dir: string };
  return api.include_dir;
}

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(home, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));
}

function units(arch: string, headers: string, wanted: readonly string[] | undefined): Unit[] {
  const sets = instructionSets[arch];
  const base = baseline[arch];
  if (!sets || !base)
    fail(`native engine: there are no kernels for ${arch} yet; Nagare runs on the reference backend there.`);
  const unknown = wanted?.find((isa) => !Object.hasOwn(sets, isa));
  if (unknown !== undefined)
    fail(`--isa: expected some of ${Object.keys(sets).join(", ")}; received ${JSON.stringify(unknown)}.`);
  const chosen = Object.entries(sets).filter(([isa]) => wanted?.includes(isa) ?? true);
  const kernels = chosen.flatMap(([isa, flags]) =>
    filesIn("kernels", ".cpp").map((source) => ({
      source,
      flags: [...common, ...kernelFlags, ...flags, `-DNAGARE_ISA=${isa}`],
      label: `${source} (${isa})`,
    })),
  );
  // What is preferred comes first.
  const listed = chosen.map(([isa]) => `X(${isa})`).reverse();
  const engine = filesIn("engine", ".cpp").map((source) => ({
    source,
    flags: [
      ...common,
      ...engineFlags,
      ...base,
      "-isystem",
      headers,
      "-DNAPI_VERSION=8",
      `-DNAGARE_INSTRUCTION_SETS(X)=${listed.join(" ")}`,
    ],
    label: source,
  }));
  return [...kernels, ...engine];
}

/** The sources and headers a file includes from this package, itself first: what its object depends on. */
function dependencies(source: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(source)) return seen;
  seen.add(source);
  const text = readFileSync(join(home, source), "utf8");
  for (const match of text.matchAll(/^#include "([^"]+)"/gm)) {
    const included = join(source, "..", match[1] ?? "");
    if (existsSync(join(home, included))) dependencies(included, seen);
  }
  return seen;
}

function run(command: string, arguments_: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, arguments_, { cwd: home, stdio: ["ignore", "inherit", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += String(chunk);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ${arguments_.join(" ")}\n${errors}`));
    });
  });
}

async function build(sanitize: string | undefined, isas: readonly string[] | undefined): Promise<void> {
  const started = performance.now();
  const compiler = findCompiler();
  const version = spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout;
  const sanitizing = sanitize
    ? [`-fsanitize=${sanitize}`, "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-g1", "-O1"]
    : [];
  const platform = `${process.platform}-${process.arch}`;
  const folder = join(home, "build", [platform, ...(isas ?? []), ...(sanitize?.split(",") ?? [])].join("-"));
  const objects = join(folder, "objects");
  mkdirSync(objects, { recursive: true });

  const contents = new Map<string, string>();
  const planned = units(process.arch, headerFolder(), isas).map((unit) => {
    const flags = [...unit.flags, ...sanitizing];
    const hash = createHash("sha256").update(`${version}\0${flags.join("\0")}`);
    for (const file of dependencies(unit.source)) {
      const text = contents.get(file) ?? readFileSync(join(home, file), "utf8");
      contents.set(file, text);
      hash.update(`\0${file}\0${text}`);
    }
    const name = unit.label.replaceAll(/[^a-z0-9_]+/g, "-");
    return { ...unit, flags, object: join(objects, `${name}-${hash.digest("hex").slice(0, 16)}.o`) };
  });
  const target = join(folder, "nagare.node");
  const missing = planned.filter(({ object }) => !existsSync(object));
  const stamp = join(
    objects,
    `link-${createHash("sha256")
      .update(planned.map(({ object }) => object).join("\0"))
      .digest("hex")
      .slice(0, 16)}`,
  );
  if (missing.length === 0 && existsSync(stamp) && existsSync(target)) return;

  // The largest sources first, so that no long one is left to the end.
  const size = (source: string): number =>
    [...dependencies(source)].reduce((sum, file) => sum + (contents.get(file)?.length ?? 0), 0);
  const queue = missing.toSorted((a, b) => size(b.source) - size(a.source));
  let done = 0;
  const work = async (): Promise<void> => {
    for (let unit = queue.shift(); unit; unit = queue.shift()) {
      // Written under another name first: an interrupted compilation leaves no object that looks whole.
      const partial = `${unit.object}.part`;
      await run(compiler, [...unit.flags, "-c", unit.source, "-o", partial]);
      renameSync(partial, unit.object);
      done += 1;
      console.log(
        `[${String(done).padStart(String(missing.length).length)}/${missing.length}] ${unit.label}`,
      );
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const shared = process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared"];
  const strip = sanitize ? [] : ["-s"];
  await run(compiler, [
    ...shared,
    ...sanitizing,
    ...strip,
    "-pthread",
    ...planned.map(({ object }) => object),
    "-o",
    `${target}.part`,
  ]);
  renameSync(`${target}.part`, target);
  const current = new Set([...planned.map(({ object }) => object), stamp]);
  for (const name of readdirSync(objects)) if (!current.has(join(objects, name))) rmSync(join(objects, name));
  await run("touch", [stamp]);
  console.log(`${target.slice(home.length + 1)} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

const { values } = parseArgs({ options: { sanitize: { type: "string" }, isa: { type: "string" } } });
try {
  await build(values.sanitize, values.isa?.split(","));
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
