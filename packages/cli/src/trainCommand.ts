import type { Command } from "commander";
import { wholeNumber } from "./arguments.ts";
import { backendOption } from "./backendOption.ts";
import { profileOption } from "./profileOption.ts";
import type { TrainOptions } from "./train.ts";

const examples = `
FILE is a program of yours, JavaScript or TypeScript. It runs as "node FILE args…" would run it. When it exports a
function as default or as "main", that is called with { epochs, backend, args } and awaited:

  export default async function train({ epochs = 3, args }) { … }

TypeScript needs a Node that strips types: 22.18, 23.6 or later.

Examples:
  nagare train train.ts
  nagare train train.ts --epochs 10 --backend native
  nagare train train.ts --epochs 1 --profile=trace.json
  nagare train train.js -- --data folder --seed 7`;

/** `nagare train FILE` */
export function addTrain(program: Command): void {
  program
    .command("train")
    .summary("run a training file, JavaScript or TypeScript")
    .description("Runs a training file.")
    .argument("<file>", "the program: .js, .mjs, .cjs, .ts, .mts or .cts")
    .argument("[args...]", "passed to the program; put -- before them")
    .option("-e, --epochs <number>", "passed to the program's function", wholeNumber(1, 1_000_000_000))
    .addOption(profileOption())
    .addOption(backendOption())
    .addHelpText("after", examples)
    .action(async (file: string, args: string[], options: TrainOptions) =>
      (await import("./train.ts")).train(file, args, options),
    );
}
