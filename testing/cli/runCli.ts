/** Runs the real command in a process of its own. */
import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";

const command = join(import.meta.dirname, "../../packages/cli/bin/nagare.js");

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** What is written to standard input, which is then closed. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Options of Node itself. */
  readonly node?: readonly string[];
}

/** The command, started. The reference backend is chosen, so that messages do not depend on what is built here. */
export function startCli(
  argv: readonly string[],
  { env, cwd, node = [] }: CliOptions = {},
): ChildProcessByStdio<Writable, Readable, Readable> {
  const { NODE_TEST_CONTEXT: _, NAGARE_DEBUG: __, ...environment } = process.env;
  return spawn(process.execPath, ["--conditions=nagare-source", ...node, command, ...argv], {
    env: { ...environment, NAGARE_BACKEND: "reference", ...env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Runs the command to its end. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = startCli(argv, options);
  // A command that fails early may never read its input.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number | null, stdout, stderr };
}
