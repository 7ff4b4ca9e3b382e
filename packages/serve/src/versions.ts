import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { load, ValueError } from "nagare";
import { existingFolder } from "nagare/backend";
import type { ServableModel } from "./model.ts";

/** Which versions of a folder to take: the highest number, all, or these. */
export type VersionChoice = "latest" | "all" | readonly number[];

/** A model's name and where its versions are. */
export interface ModelFolder {
  readonly name: string;
  /** The folder of each version, the highest number first. */
  readonly folders: ReadonlyMap<number, string>;
}

const graphFile = "graph.json";

/**
 * Finds the versions of a model: `folder` holds numbered folders (digits/1, digits/2 …) with a saved model each, or
 * is a saved model itself (then its number is its own name, else 1). Throws ValueError when neither is there.
 */
export async function findVersions(folder: string): Promise<ModelFolder> {
  const path = resolve(folder);
  if (await holdsGraph(path)) {
    const version = versionOf(basename(path));
    return {
      name: basename(version === undefined ? path : dirname(path)),
      folders: new Map([[version ?? 1, path]]),
    };
  }
  const numbers = new Set<number>();
  for (const entry of await listFolder(path)) {
    // While "2" is being replaced, the folder may hold only names that begin with "2.".
    const version = versionOf(entry.replace(/\..*$/, ""));
    // A numbered folder without a graph is a copy that is still under way.
    if (version !== undefined && (await holdsGraph(join(path, String(version))))) numbers.add(version);
  }
  if (numbers.size === 0) {
    const received = existsSync(path) ? "which has neither" : "which does not exist";
    throw new ValueError(
      `model: expected a folder with ${graphFile}, or with numbered folders that have one; received ${folder}, ` +
        `${received}. Write one with ng.save(model, "name/1").`,
    );
  }
  const sorted = [...numbers].sort((a, b) => b - a);
  return { name: basename(path), folders: new Map(sorted.map((n) => [n, join(path, String(n))])) };
}

function versionOf(name: string): number | undefined {
  return /^(?:0|[1-9]\d{0,14})$/.test(name) ? Number(name) : undefined;
}

async function holdsGraph(folder: string): Promise<boolean> {
  return existsSync(join(await existingFolder(folder), graphFile));
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch {
    return [];
  }
}

/** Loads the chosen versions of a folder. Throws ValueError for a version that is not there. */
export async function loadVersions(
  found: ModelFolder,
  choice: VersionChoice,
): Promise<Map<number, ServableModel>> {
  const present = [...found.folders.keys()];
  const chosen = choice === "latest" ? present.slice(0, 1) : choice === "all" ? present : choice;
  const versions = new Map<number, ServableModel>();
  for (const version of chosen) {
    const folder = found.folders.get(version);
    if (folder === undefined) {
      throw new ValueError(
        `versions: expected some of ${present.join(", ")}, the versions of "${found.name}"; received ${version}.`,
      );
    }
    versions.set(version, await load(folder));
  }
  if (versions.size === 0) throw new ValueError("versions: expected at least one version; received none.");
  return versions;
}
