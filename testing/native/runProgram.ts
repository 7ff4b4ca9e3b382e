/** Programs in processes of their own: a crash is then a failing test, and the engine reads its settings anew. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** How a process ended and what it wrote. */
export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly warnings: string;
}

export interface ProgramOptions {
  /** Options of Node itself. */
  readonly node?: readonly string[];
  readonly arguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A process that takes longer is killed; default two minutes. */
  readonly limitSeconds?: number;
}

/** The environment without what steers Nagare or the test runner. */
export function plainEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("NAGARE_") && name !== "NODE_TEST_CONTEXT",
  );
  return Object.fromEntries(kept);
}

async function run(nodeArguments: readonly string[], options: ProgramOptions): Promise<Outcome> {
  const child = spawn(
    process.execPath,
    ["--conditions=nagare-source", ...(options.node ?? []), ...nodeArguments, ...(options.arguments ?? [])],
    {
      cwd: import.meta.dirname,
      env: { ...plainEnvironment(), ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 1000 * (options.limitSeconds ?? 120),
      killSignal: "SIGKILL",
    },
  );
  const [output, warnings, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  return { status, signal, output: output.trim(), warnings: warnings.trim() };
}

/** Runs a file of the folder `programs` to its end. */
export function runProgram(file: string, options: ProgramOptions = {}): Promise<Outcome> {
  return run([join(import.meta.dirname, "programs", file)], options);
}

/** Runs the text of a module to its end; its imports are resolved as in this folder. */
export function runSource(source: string, options: ProgramOptions = {}): Promise<Outcome> {
  return run(["--input-type=module-typescript", "--eval", source], options);
}

/** What a program printed that ended well. */
export function outputOf({ status, signal, output, warnings }: Outcome): string {
  const end = signal ? `it was ended by ${signal}` : `it ended with ${status}`;
  assert.equal(status, 0, `${end}\n${warnings.slice(-8000)}\n${output.slice(-2000)}`);
  return output;
}
