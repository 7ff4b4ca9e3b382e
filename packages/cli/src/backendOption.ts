import { Option } from "commander";
import { backendNames, setBackend, ValueError } from "nagare";

/** `--backend NAME`, the same for every command that computes. */
export function backendOption(): Option {
  return new Option("--backend <name>", "compute with this backend (nagare devices lists them)").env(
    "NAGARE_BACKEND",
  );
}

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
