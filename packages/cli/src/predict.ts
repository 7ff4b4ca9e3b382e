import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { answerPredict } from "@nagare/serve";
import { profile, ValueError } from "nagare";
import { openModel } from "./openModel.ts";
import { profiled } from "./profiled.ts";
import { useBackend } from "./useBackend.ts";

/** The options of `nagare predict`. */
export interface PredictOptions {
  readonly input?: string;
  readonly signature?: string;
  readonly backend?: string;
  /** A file for the trace, or true for the table alone. */
  readonly profile?: string | true;
  readonly nonFinite: "tokens" | "strings";
}

/** Answers one request from a file or standard input. */
export async function predict(path: string, options: PredictOptions): Promise<void> {
  useBackend(options.backend);
  const { model } = await openModel(path);
  const body = wrapRows(await readRequest(options.input));
  const { signature, nonFinite } = options;
  await profiled(options.profile, profile, async () => {
    const answer = await answerPredict(model, body, {
      nonFinite,
      ...(signature === undefined ? {} : { signature }),
    });
    process.stdout.write(`${answer}\n`);
  });
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
