import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ValueError } from "nagare";
import { describeUserError } from "./explainError.ts";
import { profiled } from "./profiled.ts";
import { checkBackend } from "./useBackend.ts";

/** The options of `nagare train`. */
export interface TrainOptions {
  readonly epochs?: number;
  readonly backend?: string;
  /** A file for the trace, or true for the table alone. */
  readonly profile?: string | true;
}

/** What a training file's function receives. */
interface TrainArguments {
  /** From `--epochs`; undefined when it was not given. */
  readonly epochs: number | undefined;
  /** From `--backend`, which is in force already. */
  readonly backend: string | undefined;
  /** What stood after `--`. */
  readonly args: readonly string[];
}

const javascript = new Set([".js", ".mjs", ".cjs"]);
const typescript = new Set([".ts", ".mts", ".cts"]);

/** Runs a training file and the function it exports. */
export async function train(file: string, args: readonly string[], options: TrainOptions): Promise<void> {
  const path = resolve(file);
  checkFile(file, path);
  if (options.backend !== undefined) {
    checkBackend(options.backend);
    // The program may bring a nagare of its own; the environment reaches every copy.
    process.env.NAGARE_BACKEND = options.backend;
  }
  process.argv = [process.execPath, path, ...args];
  const { profile } = await nagareOf(path);
  await profiled(options.profile, profile, async () => {
    try {
      await run(file, path, { epochs: options.epochs, backend: options.backend, args });
    } catch (error) {
      throw describeUserError(error, path);
    }
  });
}

async function run(file: string, path: string, given: TrainArguments): Promise<void> {
  const module: Record<string, unknown> = await import(pathToFileURL(path).href);
  const exported = module.default ?? module.main;
  if (typeof exported === "function") await exported(given);
  else if (given.epochs !== undefined) {
    process.stderr.write(
      `nagare: --epochs ${given.epochs} was not used: ${file} exports no function as default or as main.\n`,
    );
  }
}

/** The nagare that the program computes with: one of its own, where it brings one. */
async function nagareOf(path: string): Promise<typeof import("nagare")> {
  let entry = "nagare";
  try {
    entry = pathToFileURL(createRequire(path).resolve("nagare")).href;
  } catch {
    // It brings none: then it finds that of the command, or computes nothing.
  }
  return import(entry);
}

function checkFile(file: string, path: string): void {
  const extension = extname(path);
  if (!javascript.has(extension) && !typescript.has(extension)) {
    throw new ValueError(
      `train: expected a file ending in ${[...javascript, ...typescript].join(", ")}; received ${file}.`,
    );
  }
  if (!existsSync(path))
    throw new ValueError(`train: expected a file; received ${file}, which does not exist.`);
  if (typescript.has(extension) && !process.features.typescript) {
    throw new ValueError(
      `train: expected Node 22.18, 23.6 or later for a TypeScript file; received Node ${process.versions.node}. ` +
        `Update Node, or compile ${file} to JavaScript.`,
    );
  }
}
