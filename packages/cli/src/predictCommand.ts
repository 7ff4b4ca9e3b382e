import type { Command } from "commander";
import { backendOption } from "./backendOption.ts";
import { nonFiniteOption } from "./nonFiniteOption.ts";
import type { PredictOptions } from "./predict.ts";
import { profileOption } from "./profileOption.ts";

const examples = `
The request is JSON as the server takes it: {"instances": [row, …]}, {"inputs": {name: tensor, …}}, or only the list of
rows. The answer, {"predictions": …} or {"outputs": …}, goes to standard output.

Examples:
  nagare predict digits --input request.json
  echo '[[5.1, 3.5, 1.4, 0.2]]' | nagare predict iris
  nagare predict digits --input request.json --profile=trace.json
  echo '{"inputs": {"x": [[1, 2]]}}' | nagare predict model/2 --signature features`;

/** `nagare predict MODEL` */
export function addPredict(program: Command): void {
  program
    .command("predict")
    .summary("compute a saved model's outputs for JSON inputs")
    .description("Computes the outputs of a saved model for JSON inputs from a file or standard input.")
    .argument("<model>", "folder of a saved model, or of its numbered versions (the newest is taken)")
    .option("-i, --input <file>", "file with the request; default: standard input")
    .option("-s, --signature <name>", "function of the model; default: the request's, else serving_default")
    .addOption(nonFiniteOption())
    .addOption(profileOption())
    .addOption(backendOption())
    .addHelpText("after", examples)
    .action(async (model: string, options: PredictOptions) =>
      (await import("./predict.ts")).predict(model, options),
    );
}
