import type { ModelServer } from "@nagare/serve";
import { curlExample, serveModel } from "@nagare/serve";
import { backend } from "nagare";
import { useBackend } from "./useBackend.ts";

/** The options of `nagare serve`. */
export interface ServeFlags {
  readonly port: number;
  readonly host: string;
  readonly name?: string;
  readonly versions: "latest" | "all" | number[];
  readonly maxBody: number;
  readonly nonFinite: "tokens" | "strings";
  readonly verbose?: true;
  readonly backend?: string;
}

/** Serves a model until a signal stops it. */
export async function serve(model: string, flags: ServeFlags): Promise<void> {
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
