import type { ModelServer } from "@nagare/serve";
import { curlExample, serveModel } from "@nagare/serve";
import type { Command } from "commander";
import { backend } from "nagare";
import { byteCount, versionChoice, wholeNumber } from "./arguments.ts";
import { backendOption, useBackend } from "./backendOption.ts";
import { nonFiniteOption } from "./predict.ts";

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

interface ServeFlags {
  readonly port: number;
  readonly host: string;
  readonly name?: string;
  readonly versions: "latest" | "all" | number[];
  readonly maxBody: number;
  readonly nonFinite: "tokens" | "strings";
  readonly verbose?: true;
  readonly backend?: string;
}

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
    .option("--max-body <size>", "largest request body, such as 512k or 16m", byteCount, 16 * 2 ** 20)
    .addOption(nonFiniteOption())
    .option("-v, --verbose", "write a line to standard error for every request")
    .addOption(backendOption())
    .addHelpText("after", examples)
    .action(runServe);
}

async function runServe(model: string, flags: ServeFlags): Promise<void> {
  useBackend(flags.backend);
  const log = (message: string): void => void process.stderr.write(`${message}\n`);
  // From here on a signal must not kill the process half-way.
  const stop = firstSignal();
  const server = await serveModel({
    model,
    port: flags.port,
    host: flags.host,
    versions: flags.versions,
    maxBodyBytes: flags.maxBody,
    nonFinite: flags.nonFinite,
    logger: { info: flags.verbose ? log : () => {}, error: log },
    ...(flags.name === undefined ? {} : { name: flags.name }),
  });
  process.stdout.write(describeServer(server));
  const signal = await stop;
  log(`${signal}: no new requests; answering those in flight`);
  await server.close();
  log("stopped");
}

function describeServer(server: ModelServer): string {
  const versions = [...server.versions.keys()];
  const [model] = server.versions.values();
  const example = model ? `Try it:\n  ${curlExample(server.modelUrl, model)}\n` : "";
  const which = `version${versions.length > 1 ? "s" : ""} ${versions.join(", ")}`;
  return `Serving ${server.name} (${which}) on the ${backend()} backend at\n  ${server.modelUrl}\n${example}Ctrl-C stops it.\n`;
}

/** Resolves with the first SIGINT or SIGTERM; a second one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let received = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (received) process.exit(signal === "SIGINT" ? 130 : 143);
      received = true;
      resolve(signal);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}
