/** The backends that the generated tests run on. */
import * as ng from "nagare";
import { type Backend, backendNames, loadBackend, setBackend } from "nagare/backend";

function load(name: string): Backend | undefined {
  try {
    return loadBackend(name);
  } catch (error) {
    console.log(
      `The backend "${name}" is not tested here: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
}

/** The names of the backends that work on this machine; what does not load is named once, with its reason. */
export const testedBackends: readonly string[] = backendNames().filter((name) => load(name) !== undefined);

let around: string | undefined;

/**
 * Runs `body` on one backend and goes back to that of the call around this one, or else to the reference, in which checks
 * are written.
 */
export function onBackend<R>(name: string, body: () => R): R {
  const before = around;
  setBackend(name);
  around = name;
  try {
    return body();
  } finally {
    setBackend(before ?? "reference");
    around = before;
  }
}

/** Gets those runs over that come before the first ones of a process, for tests that count or record runs. */
export function passFirstRuns(): void {
  ng.jit((x: ng.Tensor): ng.Tensor => x.neg())(ng.ones([1]));
}
