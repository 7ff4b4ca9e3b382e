import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { ValueError } from "nagare";
import { wholeNumber } from "./arguments.ts";
import { backendOption, checkBackend } from "./backendOption.ts";
import { describeUserError } from "./explainError.ts";

const examples = `
FILE is a program of yours, JavaScript or TypeScript. It runs as "node FILE args…" would run it. When it exports a
function as default or as "main", that is called with { epochs, backend, args } and awaited:

  export default async function train({ epochs = 3, args }) { … }

TypeScript needs a Node that strips types: 22.18, 23.6 or later.

Examples:
  nagare train train.ts
  nagare train train.ts --epochs 10 --backend native
  nagare train train.js -- --data folder --seed 7`;

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

/** `nagare train FILE` */
export function addTrain(program: Command): void {
  program
    .command("train")
    .summary("run a training file, JavaScript or TypeScript")
    .description("Runs a training file.")
    .argument("<file>", "the program: .js, .mjs, .cjs, .ts, .mts or .cts")
    .argument("[args...]", "passed to the program; put -- before them")
    .option("-e, --epochs <number>", "passed to the program's function", wholeNumber(1, 1_000_000_000))
    .addOption(backendOption())
    .addHelpText("after", examples)
    .action((file: string, args: string[], options: Omit<TrainArguments, "args">) =>
      runTrain(file, { epochs: options.epochs, backend: options.backend, args }),
    );
}

async function runTrain(file: string, options: TrainArguments): Promise<void> {
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
    const train = module.default ?? module.main;
    if (typeof train === "function") await train(options);
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
