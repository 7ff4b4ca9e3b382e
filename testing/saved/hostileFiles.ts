/** A sound saved model, and a copy of it that tests damage: it exists while the tests of the importing file run. */
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import * as ng from "nagare";
import { FormatError, nn, type Tensor } from "nagare";
import { type Json, type LoadedModel, load, save } from "../../packages/nagare/src/saved/index.ts";

ng.setBackend("reference");
/** Where a test may write. */
export const root = mkdtempSync(join(tmpdir(), "nagare-hostile-"));
after(() => rmSync(root, { recursive: true, force: true }));
/** The folder of a sound model. */
export const sound = join(root, "sound");
/** The folder of its damaged copy. */
export const folder = join(root, "hostile");

export type Node = { op: Json; inputs: Json; params: Record<string, Json>; results: Json };
export type Value = { dtype: Json; shape: Json; value: Json };
/** What graph.json holds, as far as tests change it. */
export interface GraphFile {
  format: Json;
  version: Json;
  signatures: {
    serving_default: {
      inputs: Record<string, Value>;
      outputs: Record<string, Value>;
      constants: Record<string, Json>[];
      nodes: Node[];
    };
  };
}

before(async () => {
  const model = nn.sequential([
    nn.conv2d({ filters: 2, kernelSize: 3 }),
    nn.maxPooling2d({ poolSize: 2 }),
    nn.flatten(),
    nn.dense({ units: 3 }),
  ]);
  model.call(ng.ones([1, 6, 6, 1]));
  const forward = (x: Tensor) => {
    const y = model.call(x);
    const padded = ng.pad(y, [[1, 0], 0]);
    const rows = ng.concat([padded, ng.slice(padded, null, [0, 2])], { axis: 1 });
    return ng.softmax(ng.transpose(rows, [1, 0]), { axis: 0 });
  };
  await save(forward, sound, { inputs: { x: { shape: ["batch", 6, 6, 1] } }, metadata: { a: 1 } });
  cpSync(sound, folder, { recursive: true });
});

/** The graph of the sound model. */
export const readGraph = (): GraphFile =>
  JSON.parse(readFileSync(join(sound, "graph.json"), "utf8")) as GraphFile;

/** Puts a file into the model and makes the metadata agree with it, as an attacker would. */
export function replaceFile(name: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, name), bytes);
  const metadata = JSON.parse(readFileSync(join(sound, "metadata.json"), "utf8")) as {
    files: Record<string, { bytes: number; sha256: string }>;
  };
  metadata.files[name] = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  writeFileSync(join(folder, "metadata.json"), JSON.stringify(metadata));
}

/** Loads the model with this graph in place of its own. */
export async function loadWith(graph: unknown): Promise<LoadedModel> {
  cpSync(join(sound, "weights.safetensors"), join(folder, "weights.safetensors"));
  replaceFile("graph.json", Buffer.from(typeof graph === "string" ? graph : JSON.stringify(graph)));
  return load(folder);
}

/** Whether an error is a FormatError with such a message. */
export const refused = (message: RegExp) => (error: unknown) =>
  error instanceof FormatError && message.test(error.message);
