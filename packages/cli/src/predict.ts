import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { answerPredict } from "@nagare/serve";
import type { Command } from "commander";
import { Option } from "commander";
import { ValueError } from "nagare";
import { backendOption, useBackend } from "./backendOption.ts";
import { openModel } from "./openModel.ts";

const examples = `
The request is JSON as the server takes it: {"instances": [row, …]}, {"inputs": {name: tensor, …}}, or only the list of
rows. The answer, {"predictions": …} or {"outputs": …}, goes to standard output.

Examples:
  nagare predict digits --input request.json
  echo '[[5.1, 3.5, 1.4, 0.2]]' | nagare predict iris
  echo '{"inputs": {"x": [[1, 2]]}}' | nagare predict model/2 --signature features`;

interface PredictOptions {
  readonly input?: string;
  readonly signature?: string;
  readonly backend?: string;
  readonly nonFinite: "tokens" | "strings";
}

/** `--non-finite`, the same for predict and serve. */
export function nonFiniteOption(): Option {
  return new Option(
    "--non-finite <form>",
    "how NaN and infinities are written: tokens as TensorFlow Serving, or strings",
  )
    .choices(["tokens", "strings"])
    .default("tokens");
}

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
    .addOption(backendOption())
    .addHelpText("after", examples)
    .action(runPredict);
}

async function runPredict(path: string, options: PredictOptions): Promise<void> {
  useBackend(options.backend);
  const { model } = await openModel(path);
  const body = wrapRows(await readRequest(options.input));
  const { signature, nonFinite } = options;
  const answer = await answerPredict(model, body, {
    nonFinite,
    ...(signature === undefined ? {} : { signature }),
  });
  process.stdout.write(`${answer}\n`);
}

async function readRequest(input: string | undefined): Promise<Buffer> {
  if (input === undefined || input === "-") {
    if (process.stdin.isTTY) {
      throw new ValueError(
        "predict: expected a request in --input FILE or on standard input; received a terminal. " +
          "Write: nagare predict MODEL --input request.json",
      );
    }
    return buffer(process.stdin);
  }
  try {
    return await readFile(input);
  } catch (error) {
    throw new ValueError(`--input: expected a file that can be read; received ${(error as Error).message}.`);
  }
}

/** A bare list means `instances`. */
function wrapRows(body: Buffer): Buffer {
  if (!/^\s*\[/.test(body.toString("latin1", 0, 1024))) return body;
  return Buffer.concat([Buffer.from('{"instances":'), body, Buffer.from("}")]);
}
