/**
 * Files that are either the old or the new one, whenever the process or the machine stops: contents go to a temporary
 * file in the same folder, are forced to disk, and take the final name in one step.
 */
import { nodeModule } from "../core/index.ts";

type FileSystem = typeof import("node:fs/promises");
type Paths = typeof import("node:path");

const fileSystem = (where: string) => nodeModule<FileSystem>("node:fs/promises", where);
const paths = (where: string) => nodeModule<Paths>("node:path", where);

let count = 0;
/** Names this process is writing now: a leftover of an earlier process may carry the same number. */
const active = new Set<string>();

/** A name beside `path` that no other writer uses; it says which process it belongs to. */
function claimPartialName(path: string): string {
  const name = `${paths("writeFileAtomically").resolve(path)}.${processId()}-${count++}.partial`;
  active.add(name);
  return name;
}

function processId(): number {
  return (globalThis as { process?: { pid: number } }).process?.pid ?? 0;
}

/**
 * Writes a file so that `path` holds either its previous contents or all of `bytes`, even after a crash.
 * Throws what the file system throws; the temporary file is then gone.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const fs = fileSystem("writeFileAtomically");
  const temporary = claimPartialName(path);
  try {
    await writeDurably(temporary, bytes);
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  } finally {
    active.delete(temporary);
  }
  await syncFolder(paths("writeFileAtomically").dirname(path));
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await fileSystem("writeFileAtomically").open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Forces a folder's entries to disk, so that a rename survives a power failure. */
async function syncFolder(path: string): Promise<void> {
  if ((globalThis as { process?: { platform: string } }).process?.platform === "win32") return; // Windows opens no folders.
  const folder = await fileSystem("writeFileAtomically").open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Where the previous version of a folder waits while the new one takes its place. */
function previousOf(folder: string): string {
  return `${folder}.nagare-previous`;
}

/**
 * Writes a folder of files so that `folder` holds all of the old or all of the new ones. Between the two renames that
 * replace an existing folder, the old one is found under another name: `existingFolder` looks there too.
 * @param files Contents by file name.
 */
export async function writeFolderAtomically(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const fs = fileSystem("writeFolderAtomically");
  const { basename, dirname, join, resolve } = paths("writeFolderAtomically");
  const target = resolve(folder);
  const parent = dirname(target);
  await fs.mkdir(parent, { recursive: true });
  await removeLeftovers(parent, basename(target));
  await restorePrevious(target);
  const temporary = claimPartialName(target);
  try {
    await fs.mkdir(temporary);
    for (const [name, bytes] of files) await writeDurably(join(temporary, name), bytes);
    await syncFolder(temporary);
    if (await exists(target)) await fs.rename(target, previousOf(target));
    await fs.rename(temporary, target);
    await syncFolder(parent);
    await fs.rm(previousOf(target), { recursive: true, force: true });
  } catch (error) {
    await fs.rm(temporary, { recursive: true, force: true });
    await restorePrevious(target);
    throw error;
  } finally {
    active.delete(temporary);
  }
}

/** Ends a replacement that a crash cut short: back to the old folder, or on to the new one. */
async function restorePrevious(target: string): Promise<void> {
  const fs = fileSystem("writeFolderAtomically");
  const previous = previousOf(target);
  if (!(await exists(previous))) return;
  if (await exists(target)) await fs.rm(previous, { recursive: true, force: true });
  else await fs.rename(previous, target);
}

/** The path under which a folder written by `writeFolderAtomically` is to be read now. */
export async function existingFolder(folder: string): Promise<string> {
  const previous = previousOf(paths("existingFolder").resolve(folder));
  return !(await exists(folder)) && (await exists(previous)) ? previous : folder;
}

async function exists(path: string): Promise<boolean> {
  try {
    await fileSystem("exists").access(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Removes what killed writers left in a folder: of the file or folder `name`, or of any. What a living process is writing
 * stays.
 */
export async function removeLeftovers(folder: string, name?: string): Promise<void> {
  const fs = fileSystem("removeLeftovers");
  const { join, resolve } = paths("removeLeftovers");
  for (const entry of await fs.readdir(folder)) {
    const [, owned, pid] = /^(.+)\.(\d+)-\d+\.partial$/.exec(entry) ?? [];
    if (owned === undefined || (name !== undefined && owned !== name)) continue;
    const path = join(resolve(folder), entry);
    if (!active.has(path) && !isAlive(Number(pid))) await fs.rm(path, { recursive: true, force: true });
  }
}

/** Whether another process with this number runs. This process itself knows what it is writing. */
function isAlive(pid: number): boolean {
  if (pid === processId()) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
