import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addDevices } from "./devicesCommand.ts";
import { explainError } from "./explainError.ts";
import { addInspect } from "./inspectCommand.ts";
import { addPredict } from "./predictCommand.ts";
import { addServe } from "./serveCommand.ts";
import { addTrain } from "./trainCommand.ts";

const examples = `
Examples:
  nagare train train.ts --epochs 3
  nagare inspect digits
  nagare predict digits --input request.json
  nagare serve digits --port 8501
  nagare devices

NAGARE_DEBUG=1 shows where an error was thrown. Exit codes: 0 done, 1 failed, 2 wrong usage.`;

/**
 * Runs the command line. What a command does is loaded when it is called, so that help and usage errors come at once.
 * @param argv the arguments after the program's name.
 * @returns the exit code: 0 when done, 1 when the command failed, 2 for arguments that make no sense.
 * @example
 * process.exitCode = await main(["inspect", "digits"]);
 */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on("error", exitOnClosedPipe);
  try {
    await createProgram().parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    // Commander has printed its message already: usage errors, and help and version, which are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`nagare: ${explainError(error)}\n`);
    return 1;
  }
}

function createProgram(): Command {
  const program = new Command("nagare")
    .description("Train, look into and serve machine-learning models.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [command]", "show the help of a command")
    .showSuggestionAfterError()
    .showHelpAfterError("Add --help to see what is possible.")
    .addHelpText("after", examples)
    .exitOverride();
  for (const add of [addTrain, addPredict, addServe, addInspect, addDevices]) add(program);
  return program;
}

function packageVersion(): string {
  const manifest: { version: string } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  return manifest.version;
}

/** `nagare inspect … | head` closes the pipe early, which is no failure. */
function exitOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}
