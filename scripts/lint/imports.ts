/**
 * The import rules: which folder may import which, doors, packages, backends, cycles. Every rule takes the whole set of
 * files as text, so that tests feed it a few lines.
 */
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path/posix";
import { findCycles } from "./cycles.ts";
import type { Import } from "./scan.ts";
import { importsOf } from "./scan.ts";

export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Paths relative to the repository root, with `/`, and what the files hold. */
export type Sources = ReadonlyMap<string, string>;

/** Any folder of packages/nagare/src that is not a backend. */
const anyButBackends = Symbol("any folder but backends");

/**
 * The one table of the house: for each folder of packages/nagare/src, the folders it may import beside itself.
 * Type imports obey it too. The face, src/index.ts, may import every folder.
 */
const mayImport: Readonly<Record<string, readonly string[] | typeof anyButBackends>> = {
  core: [],
  trace: ["core"],
  ops: ["core", "trace"],
  ir: ["core", "ops"],
  runtime: ["core", "trace", "ops", "ir"],
  transforms: ["core", "trace", "ops", "ir", "runtime"],
  array: ["core", "ops", "trace"],
  random: ["core", "trace", "ops", "runtime", "array"],
  nn: anyButBackends,
  optim: anyButBackends,
  train: anyButBackends,
  data: anyButBackends,
  saved: anyButBackends,
  "backends/reference": ["core", "ops", "ir", "runtime"],
};

const framework = "packages/nagare/src";
const face = `${framework}/index.ts`;
/** The door for authors of backends: like the face it may pass on every folder, but it names no backend either. */
const backendAuthorsFace = `${framework}/backend.ts`;
/** Folders that only hold rooms, and so have no door of their own. */
const corridors = new Set([`${framework}/backends`]);
/** Path segments before the rooms of a package: packages/<name>/src. */
const sourceDepth = 3;
/** Packages that are backends: only the face of the framework names them. */
const backendPackages = new Set(["@nagare/native"]);
const builtins = new Set(builtinModules);

/** The package folder that a file belongs to; "" for files of the repository itself (scripts). */
function packageOf(file: string, packages: readonly string[]): string {
  return packages.find((folder) => file.startsWith(`${folder}/`)) ?? "";
}

/** The room of packages/nagare/src that a file is in, "" for files directly under src. */
function roomOf(file: string): string {
  const parts = file.slice(framework.length + 1).split("/");
  const inCorridor = corridors.has(`${framework}/${parts[0]}`);
  return parts.slice(0, Math.min(inCorridor ? 2 : 1, parts.length - 1)).join("/");
}

/** The name a bare specifier installs under: `@scope/name` or `name`. */
function packageNameOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

const isBuiltin = (specifier: string): boolean =>
  specifier.startsWith("node:") || builtins.has(packageNameOf(specifier));
const isRelative = (specifier: string): boolean => /^\.{1,2}(?:\/|$)/.test(specifier);

const isBackend = (room: string): boolean => room.startsWith("backends/");

/** May `room` import `target`, by the table? */
function allowed(room: string, target: string): boolean {
  if (room === target) return true;
  const rooms = mayImport[room];
  if (rooms === undefined) return false;
  return rooms === anyButBackends ? !isBackend(target) && target in mayImport : rooms.includes(target);
}

function describeRooms(room: string): string {
  const rooms = mayImport[room];
  if (rooms === undefined) return "nothing: it is missing from the table in scripts/lint/imports.ts";
  if (rooms === anyButBackends) return "every folder of the framework except backends";
  return rooms.length === 0 ? "no other folder" : rooms.join(", ");
}

/** Directions between the folders of the framework, and who may name a backend. */
function checkDirection(file: string, target: string): string | undefined {
  if (file === face || !file.startsWith(`${framework}/`) || !target.startsWith(`${framework}/`))
    return undefined;
  const room = roomOf(file);
  const targetRoom = roomOf(target);
  if (target === face || target === backendAuthorsFace) {
    return `${room || "src"} imports a face of the framework, ${target}. Import the folder that defines the name.`;
  }
  if (
    file === backendAuthorsFace
      ? targetRoom in mayImport && !isBackend(targetRoom)
      : allowed(room, targetRoom)
  ) {
    return undefined;
  }
  if (isBackend(targetRoom)) {
    return `only ${face} names a backend; received an import of ${targetRoom}. Reach the active backend through runtime/.`;
  }
  return (
    `${room || "src"}/ may import ${describeRooms(room)}; received an import of ${targetRoom || target}. ` +
    "Move the code to the folder that may, or pass the value in."
  );
}

/**
 * A folder is entered through its index.ts; files of enclosing folders are free. A folder inside a room may do without
 * an index.ts: then its files are the room's own, and only the room's door leads to them.
 */
function checkDoor(file: string, target: string, sources: Sources): string | undefined {
  const from = dirname(file).split("/");
  const to = dirname(target).split("/");
  let entered = 0;
  while (entered < from.length && entered < to.length && from[entered] === to[entered]) entered += 1;
  for (; entered < to.length; entered += 1) {
    const folder = to.slice(0, entered + 1).join("/");
    const isRoom = entered === (corridors.has(dirname(folder)) ? sourceDepth + 1 : sourceDepth);
    if (corridors.has(folder)) continue;
    const door = `${folder}/index.ts`;
    if (target === door) return undefined;
    if (isRoom || sources.has(door)) {
      return (
        `a folder is entered through its index.ts; received an import of ${target}. ` +
        `Import ${door}, and export the name there.`
      );
    }
  }
  return undefined;
}

/** Tests also look behind the face, but only through the doors of folders. */
function checkTestDoor(target: string): string | undefined {
  if (!/^packages\/[^/]+\/src\//.test(target) || target.endsWith("/index.ts")) return undefined;
  return (
    `a test enters a folder through its index.ts; received an import of ${target}. ` +
    `Import ${dirname(target)}/index.ts, and export the name there.`
  );
}

export interface Manifest {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** What a file of this package may import by name: devDependencies only outside src, for src is what is published. */
function declaredNames(manifest: Manifest, root: Manifest, published: boolean): Set<string> {
  const lists = [manifest.dependencies, manifest.peerDependencies, manifest.optionalDependencies];
  if (!published) lists.push(manifest.devDependencies, root.devDependencies);
  return new Set([...lists.flatMap((list) => Object.keys(list ?? {})), manifest.name ?? ""]);
}

/**
 * Checks every import of every file.
 * @param sources TypeScript and JavaScript files.
 * @param manifests package.json by package folder; "" is the repository's own.
 */
export function checkImports(sources: Sources, manifests: ReadonlyMap<string, Manifest>): Problem[] {
  const packages = [...manifests.keys()].filter((folder) => folder !== "");
  const problems: Problem[] = [];
  const valueEdges = new Map<string, string[]>();

  for (const [file, source] of sources) {
    const home = packageOf(file, packages);
    const inPackageSource = /^packages\/[^/]+\/src\//.test(file);
    const names = declaredNames(manifests.get(home) ?? {}, manifests.get("") ?? {}, inPackageSource);
    const edges: string[] = [];
    valueEdges.set(file, edges);
    const report = (entry: Import, message: string | undefined): void => {
      if (message !== undefined) problems.push({ file, line: entry.line, message });
    };

    for (const entry of importsOf(source)) {
      const { specifier } = entry;
      if (isRelative(specifier)) {
        const target = normalize(join(dirname(file), specifier));
        if (!/\.(?:ts|js|mjs|cjs|json|node)$/.test(specifier)) {
          report(
            entry,
            `an import path ends in its file extension; received "${specifier}". Write the file, as "./x.ts".`,
          );
          continue;
        }
        const targetHome = packageOf(target, packages);
        if (targetHome !== home && home !== "testing") {
          report(
            entry,
            `another package is imported by its name; received "${specifier}", which leaves ${home || "the scripts"}. ` +
              `Import "${manifests.get(targetHome)?.name ?? targetHome}".`,
          );
        } else if (home === "testing") {
          report(entry, checkTestDoor(target));
        } else if (inPackageSource) {
          // An augmentation has to name the file that declares the interface, not the door that passes it on.
          const door = entry.kind === "augmentation" ? undefined : checkDoor(file, target, sources);
          report(entry, checkDirection(file, target) ?? door);
        }
        if (entry.kind === "value") edges.push(target);
      } else if (isBuiltin(specifier)) {
        if (!specifier.startsWith("node:")) {
          report(entry, `a module of Node is imported as "node:${specifier}"; received "${specifier}".`);
        } else if (entry.kind === "value" && file.startsWith(`${framework}/`)) {
          report(
            entry,
            `the framework also loads in browsers, so it imports no module of Node at load; received "${specifier}". ` +
              `Write await import("${specifier}") in the function that needs it.`,
          );
        }
      } else {
        const name = packageNameOf(specifier);
        if (!names.has(name)) {
          report(
            entry,
            `${home || "the repository"} imports only packages that its package.json declares; received "${specifier}". ` +
              "Add it to the dependencies there (exact version), or do without.",
          );
        } else if (backendPackages.has(name) && file.startsWith(`${framework}/`) && file !== face) {
          report(
            entry,
            `only ${face} names a backend; received "${specifier}". Reach the active backend through runtime/.`,
          );
        }
      }
    }
  }

  for (const cycle of findCycles(valueEdges)) {
    const [first = "", second = ""] = cycle;
    const at = importsOf(sources.get(first) ?? "").find(
      (entry) => entry.kind === "value" && normalize(join(dirname(first), entry.specifier)) === second,
    );
    problems.push({
      file: first,
      line: at?.line ?? 1,
      message: `value imports form no cycle; received ${[...cycle, first].join(" → ")}. Move what both need to a third file, or use import type.`,
    });
  }
  return problems;
}

/** Versions are exact, so that a clone, CI and a user's install run the same code. */
export function checkVersions(manifests: ReadonlyMap<string, Manifest>): Problem[] {
  const problems: Problem[] = [];
  for (const [folder, manifest] of manifests) {
    const lists = [
      manifest.dependencies,
      manifest.devDependencies,
      manifest.peerDependencies,
      manifest.optionalDependencies,
    ];
    for (const [name, version] of lists.flatMap((list) => Object.entries(list ?? {}))) {
      if (/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) continue;
      problems.push({
        file: folder === "" ? "package.json" : `${folder}/package.json`,
        line: 1,
        message: `a dependency has an exact version; received "${name}": "${version}". Write the version that package-lock.json names.`,
      });
    }
  }
  return problems;
}
