import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ValueError } from "nagare";
import { describeUserError } from "./explainError.ts";
import { checkBackend } from "./useBackend.ts";

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
export async function train(file: string, options: TrainArguments): Promise<void> {
  const path = resolve(file);
  checkFile(file, path);
  if (options.backend !== undefined) {
    checkBackend(options.backend);
    // The program may bring a nagare of its own; the environment reaches every copy.
    process.env.NAGARE_BACKEND = options.backend;
  }
  process.argv = [process.execPath, path, ...options.args];
  try {
    const module: Record<string, unknown> = await import(pathToFileURL(path).href);
    const exported = module.default ?? module.main;
    if (typeof exported === "function") await exported(options);
    else if (options.epochs !== undefined) {
      process.stderr.write(
        `nagare: --epochs ${options.epochs} was not used: ${file} exports no function as default or as main.\n`,
      );
    }
  } catch (error) {
    throw describeUserError(error, path);
  }
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
