/** The backends: who there is, which one is in use. Loaders are installed by the library's face. */
import { NagareError, ValueError } from "../core/index.ts";
import type { Backend } from "./backend.ts";
import { environment } from "./environment.ts";
import type { Reachability } from "./reachability.ts";

/** Loads a backend when it is first needed; throws with the reason when it cannot work here. */
export type BackendLoader = () => Backend;

const loaders = new Map<string, BackendLoader>();
const loaded = new Map<string, Backend>();
let current: Backend | undefined;

/** Makes a backend known under a name. Earlier ones are preferred. */
export function registerBackend(name: string, loader: BackendLoader): void {
  loaders.set(name, loader);
}

/** The names of all known backends, the preferred one first. */
export function backendNames(): readonly string[] {
  return [...loaders.keys()];
}

/** A backend by name. Throws ValueError for an unknown name, and what the loader throws when it cannot work here. */
export function loadBackend(name: string): Backend {
  const known = loaded.get(name);
  if (known) return known;
  const loader = loaders.get(name);
  if (!loader) {
    throw new ValueError(
      `backend: expected one of ${backendNames().join(", ")}; received ${JSON.stringify(name)}.`,
    );
  }
  const backend = loader();
  loaded.set(name, backend);
  return backend;
}

/** The backend in use: NAGARE_BACKEND's, or the first that loads; one warning says why a preferred one does not. */
export function currentBackend(): Backend {
  if (current) return current;
  const wanted = environment("NAGARE_BACKEND");
  if (wanted) {
    current = loadBackend(wanted);
    return current;
  }
  const reasons: string[] = [];
  for (const name of backendNames()) {
    try {
      current = loadBackend(name);
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (reasons.length > 0) {
      console.warn(
        `nagare: using the backend "${name}", which is slower, because a preferred one is not available.\n  ${reasons.join("\n  ")}`,
      );
    }
    return current;
  }
  throw new NagareError(`No backend works here.\n  ${reasons.join("\n  ")}`);
}

/** Bytes that the backends loaded so far hold for intermediate values and their kernels' workspace. */
export function workingBytes(): number {
  let bytes = 0;
  for (const backend of loaded.values()) bytes += backend.workingBytes?.() ?? 0;
  return bytes;
}

/** What the backend in use can tell of arrays that nobody holds any more; undefined where it cannot, or none is in use yet. */
export function currentReachability(): Reachability | undefined {
  return current?.reachability;
}

/** The name of the backend in use. */
export function backend(): string {
  return currentBackend().name;
}

/** Chooses the backend for the operations from now on. Throws ValueError for an unknown name, or why it cannot work. */
export function setBackend(name: string): void {
  current = loadBackend(name);
}

/** The number of threads the backend in use computes with; 1 where it has no such setting. */
export function threads(): number {
  return currentBackend().threads?.get() ?? 1;
}

/** Sets the number of threads of the backend in use. Throws ValueError below 1. */
export function setThreads(count: number): void {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new ValueError(`setThreads: expected a whole number from 1 up; received ${String(count)}.`);
  }
  currentBackend().threads?.set(count);
}
