import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { testedBackends } from "../generator/backends.ts";

const soak = fileURLToPath(new URL("../soak/soak.ts", import.meta.url));

/** Counts that take a second or two; the soak program's own are those of a day's work. */
const counts: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  native: { train: 2000, fit: 2000, eager: 60_000 },
  reference: { train: 200, fit: 200, eager: 2000 },
};

for (const backend of testedBackends) {
  describe(`memory stays flat on ${backend}, with nothing disposed`, () => {
    for (const [kind, count] of Object.entries(counts[backend] ?? {})) {
      const what = {
        train: "compiled training steps in a synchronous loop",
        fit: "steps of fit",
        eager: "eager operations in a synchronous loop",
      }[kind];
      test(`${count} ${what}`, () => {
        const options = ["--backend", backend, "--kind", kind, "--count", String(count)];
        // The exit code speaks of 5 % for resident memory too, where in a loop this short V8 still makes room for itself.
        const report = execFileSync(
          process.execPath,
          ["--conditions=nagare-source", soak, ...options, "--report"],
          {
            encoding: "utf8",
          },
        );
        const { growth } = JSON.parse(report) as { growth: { held: number; resident: number } };
        assert.ok(growth.held <= 1.05, report);
        assert.ok(growth.resident <= 1.25, report);
      });
    }
  });
}
