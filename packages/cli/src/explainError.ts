import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

const isDebugging = (): boolean =>
  (process.env.NAGARE_DEBUG ?? "") !== "" && process.env.NAGARE_DEBUG !== "0";

/** One clear message for standard error; with NAGARE_DEBUG set, the stack and the causes too. */
export function explainError(error: unknown): string {
  if (isDebugging()) return inspect(error);
  if (!(error instanceof Error)) return String(error);
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  return [error.message, ...causes.filter((message) => !error.message.includes(message))].join(
    "\n  because: ",
  );
}

/**
 * The message for an error out of a user's own program: its name tells more than its message alone, and so does the
 * line it comes from.
 */
export function describeUserError(error: unknown, file: string): Error {
  if (!(error instanceof Error)) return new Error(`${file} threw ${inspect(error)}, which is no Error.`);
  const places = [file, pathToFileURL(file).href];
  const line = error.stack
    ?.split("\n")
    .find((entry) => /^\s+at /.test(entry) && places.some((place) => entry.includes(place)));
  const at = line === undefined ? "" : `\n ${line.trimEnd().replace(/^\s+/, " ")}`;
  return new Error(`${error.name}: ${error.message}${at}`, isDebugging() ? { cause: error } : {});
}
