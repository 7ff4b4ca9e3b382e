import type { Command } from "commander";
import { Option } from "commander";
import { byteCount, versionChoice, wholeNumber } from "./arguments.ts";
import { backendOption } from "./backendOption.ts";
import { nonFiniteOption } from "./nonFiniteOption.ts";
import type { ServeFlags } from "./serve.ts";

const examples = `
The server speaks TensorFlow Serving's REST forms:
  GET  /v1/models/NAME[/versions/V]            which versions are served
  GET  /v1/models/NAME[/versions/V]/metadata   signatures: names, dtypes, shapes
  POST /v1/models/NAME[/versions/V]:predict    {"instances": […]} or {"inputs": …}
  GET  /health and /ready                      for probes
SIGINT and SIGTERM stop it once the requests in flight are answered.

Examples:
  nagare serve digits
  nagare serve digits --port 0 --versions 1,2
  nagare serve digits/3 --name digits --host 0.0.0.0 --max-body 64m`;

/** `nagare serve MODEL_DIR` */
export function addServe(program: Command): void {
  program
    .command("serve")
    .summary("serve a saved model over HTTP")
    .description("Serves a saved model over HTTP until it is stopped.")
    .argument("<model>", "folder of a saved model, or of its numbered versions")
    .option("-p, --port <number>", "TCP port; 0 takes a free one", wholeNumber(0, 65535), 8501)
    .option("--host <address>", "address to listen on; 0.0.0.0 lets other machines in", "127.0.0.1")
    .option("--name <name>", "NAME in the addresses; default: the folder's")
    .option("--versions <which>", "latest, all, or numbers separated by commas", versionChoice, "latest")
    .addOption(
      new Option("--max-body <size>", "largest request body, such as 512k or 64m")
        .argParser(byteCount)
        .default(16 * 2 ** 20, "16m"),
    )
    .addOption(nonFiniteOption())
    .option("-v, --verbose", "write a line to standard error for every request")
    .addOption(backendOption())
    .addHelpText("after", examples)
    .action(async (model: string, options: ServeFlags) => (await import("./serve.ts")).serve(model, options));
}
