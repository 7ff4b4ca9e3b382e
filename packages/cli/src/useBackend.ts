import { backendNames, setBackend, ValueError } from "nagare";

/** Refuses a backend that does not exist, before anything is read. */
export function checkBackend(name: string): void {
  if (backendNames().includes(name)) return;
  throw new ValueError(`--backend: expected one of ${backendNames().join(", ")}; received "${name}".`);
}

/** Computes with the backend from now on. */
export function useBackend(name: string | undefined): void {
  if (name === undefined) return;
  checkBackend(name);
  setBackend(name);
}
