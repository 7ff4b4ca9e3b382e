/** Compiling sources into objects, each named after a hash of everything that went into it, so that none is made twice. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Compiler } from "./targets.ts";

/** The package; sources are relative to it. */
export const home = join(import.meta.dirname, "..");

/** One source under one set of flags. */
export interface Unit {
  readonly source: string;
  readonly flags: readonly string[];
  readonly label: string;
}

/** A unit and the file that its object is in. */
export interface PlannedUnit extends Unit {
  readonly object: string;
}

/** The sources of a folder. */
export function sourcesIn(folder: string): string[] {
  return readdirSync(join(home, folder))
    .filter((name) => name.endsWith(".cpp"))
    .sort()
    .map((name) => join(folder, name));
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

/** A short name for what the parts say. */
export function digest(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 16);
}

/** Where each unit's object is: in any of the folders, or where it belongs, in the first. */
export function planObjects(
  units: readonly Unit[],
  compiler: Compiler,
  folders: readonly [string, ...string[]],
): PlannedUnit[] {
  const contents = new Map<string, string>();
  const read = (file: string): string => {
    const text = contents.get(file) ?? readFileSync(join(home, file), "utf8");
    contents.set(file, text);
    return text;
  };
  return units.map((unit) => {
    const files = [...dependencies(unit.source)].flatMap((file) => [file, read(file)]);
    const name = unit.label.replaceAll(/[^a-z0-9_]+/g, "-");
    const hash = digest([compiler.version, ...unit.flags, ...files]);
    const objects = folders.map((folder) => join(folder, `${name}-${hash}.o`));
    return {
      ...unit,
      object: objects.find((object) => existsSync(object)) ?? join(folders[0], `${name}-${hash}.o`),
    };
  });
}

/** Runs a command of the build in the package. Rejects with the command and what it said about its failure. */
export function run(command: string, arguments_: readonly string[]): Promise<void> {
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

/** Compiles the units whose objects are not there yet, as many at once as there are processors. */
export async function compileObjects(units: readonly PlannedUnit[], compiler: Compiler): Promise<void> {
  const missing = units.filter(({ object }) => !existsSync(object));
  for (const { object } of missing) mkdirSync(join(object, ".."), { recursive: true });
  // The largest sources first, so that no long one is left to the end.
  const size = (source: string): number =>
    [...dependencies(source)].reduce((sum, file) => sum + readFileSync(join(home, file)).length, 0);
  const queue = missing
    .map((unit) => ({ unit, size: size(unit.source) }))
    .sort((a, b) => b.size - a.size)
    .map(({ unit }) => unit);
  let done = 0;
  const work = async (): Promise<void> => {
    for (let unit = queue.shift(); unit; unit = queue.shift()) {
      // Written under another name first: an interrupted compilation leaves no object that looks whole.
      const partial = `${unit.object}.part`;
      await run(compiler.command, [...unit.flags, "-c", unit.source, "-o", partial]);
      renameSync(partial, unit.object);
      done += 1;
      console.log(
        `[${String(done).padStart(String(missing.length).length)}/${missing.length}] ${unit.label}`,
      );
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
}

/** Removes what is in the folder and no longer current. */
export function removeOthers(folder: string, current: ReadonlySet<string>): void {
  for (const name of readdirSync(folder)) if (!current.has(join(folder, name))) rmSync(join(folder, name));
}
