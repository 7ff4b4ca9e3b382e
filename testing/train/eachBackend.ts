/** Suites that run once on every backend of this machine. */
import { after, before, describe } from "node:test";
import { setBackend } from "nagare/backend";
import { testedBackends } from "../generator/backends.ts";

/** Registers `suite` for each backend; its tests run while that backend is in use. */
export function onEachBackend(name: string, suite: (backend: string) => void): void {
  for (const backend of testedBackends) {
    describe(`${name} on ${backend}`, () => {
      before(() => setBackend(backend));
      after(() => setBackend("reference"));
      suite(backend);
    });
  }
}
