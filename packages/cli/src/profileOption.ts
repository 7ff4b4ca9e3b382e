import { Option } from "commander";

/** `--profile[=FILE]`, the same for train and predict: the file's name, or true without one. */
export function profileOption(): Option {
  return new Option(
    "--profile [file]",
    "afterwards, tell on standard error where the time went; write a trace for Perfetto to the file",
  );
}
