import { Option } from "commander";

/** `--backend NAME`, the same for every command that computes. */
export function backendOption(): Option {
  return new Option("--backend <name>", "compute with this backend (nagare devices lists them)").env(
    "NAGARE_BACKEND",
  );
}
