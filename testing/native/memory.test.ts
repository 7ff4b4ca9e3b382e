/** Nothing is disposed of and nothing grows: results, programs, and what the engine keeps for itself. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testedBackends } from "../generator/backends.ts";
import { outputOf, runProgram, runSource } from "./runProgram.ts";

const skip = testedBackends.includes("native") ? false : "the engine does not load here";

interface Course {
  readonly before: number;
  readonly after: number;
}

// The collector works in the program's own thread: otherwise how much garbage there is depends on how busy the machine is.
const node = ["--single-threaded-gc"];

async function checkFlat(kind: "eager" | "compiled", count: number): Promise<void> {
  const report = outputOf(await runProgram("plainLoop.ts", { arguments: [kind, String(count)], node }));
  const { live, resident } = JSON.parse(report) as { live: Course; resident: Course };
  // Small results are counted by the block of 64 KiB that they share.
  assert.ok(live.after <= live.before * 1.05 + 2 ** 17, report);
  assert.ok(resident.after <= resident.before * 1.05, report);
}

describe("memory", { skip }, () => {
  test("stays flat over 100,000 eager operations in a plain loop", () => checkFlat("eager", 100_000));

  test("stays flat over 20,000 compiled training steps in a plain loop", () => checkFlat("compiled", 20_000));

  test("of programs is given back when nobody holds them, and few eager ones are kept", async () => {
    const source = `
      import { setTimeout } from "node:timers/promises";
      import { loadAddon, NativeBackend } from "@nagare/native";
      import * as ng from "nagare";
      import { registerBackend, setBackend } from "nagare/backend";
      const addon = loadAddon();
      const programs = [];
      const createProgram = (...parts) => {
        const program = addon.createProgram(...parts);
        programs.push(new WeakRef(program));
        return program;
      };
      registerBackend("counting", () => new NativeBackend({ ...addon, createProgram }));
      setBackend("counting");
      const alive = async () => {
        for (let i = 0; i < 4; i++) {
          await setTimeout(0);
          gc();
        }
        return programs.filter((reference) => reference.deref()).length;
      };
      const constant = ng.arange(500);
      const compiled = Array.from({ length: 500 }, (_, i) => ng.jit((x) => x.mul(constant).add(i).sum()));
      for (const f of compiled) f(ng.ones([500])).item();
      const during = await alive();
      compiled.length = 0;
      const after = await alive();
      for (let size = 1; size < 6000; size++) ng.exp(ng.zeros([size, 0]));
      console.log(JSON.stringify({ during, after, eager: await alive(), made: programs.length }));
    `;
    const report = outputOf(await runSource(source, { node: ["--expose-gc"] }));
    const { during, after, eager, made } = JSON.parse(report) as Record<string, number>;
    assert.ok(Number(during) >= 500 && Number(after) < 100, report);
    assert.ok(Number(made) > 10_000 && Number(eager) < 4200, report);
  });

  test("the engine's own grows to what the largest program needs and stays there", async () => {
    const source = `
      import * as ng from "nagare";
      import { loadAddon } from "@nagare/native";
      const addon = loadAddon();
      ng.setBackend("native");
      const multiply = ng.jit((x) => x.matmul(x).matmul(x).sum());
      const bytes = [400, 400, 100, 400].map((n) => {
        multiply(ng.ones([n, n])).item();
        return addon.workingBytes();
      });
      console.log(new Set(bytes).size === 1 && bytes[0] >= 400 * 400 * 4);
    `;
    assert.equal(outputOf(await runSource(source)), "true");
  });
});
