/** Modules of Node, reached only by the functions that need them, so that the package also loads in browsers. */
import { UnsupportedError } from "./errors.ts";

interface Host {
  readonly process?: { getBuiltinModule?(name: string): unknown };
}

/** The module of Node `name`, typed by the caller. Throws UnsupportedError where there is no Node. */
export function nodeModule<T>(name: string, where: string): T {
  const module = (globalThis as Host).process?.getBuiltinModule?.(name);
  if (module === undefined) {
    throw new UnsupportedError(
      `${where} needs ${name}, which this environment does not have. Call it in Node 22.3 or later.`,
    );
  }
  return module as T;
}
