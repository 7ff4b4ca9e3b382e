/**
 * Checkpoints: one file for each, which holds the tensors, the rest of the state as JSON, and a SHA-256 of it all.
 * A writer that is killed leaves the previous checkpoints as they were; readers pass over damaged ones.
 */
import { checkCount, FormatError, nodeModule, type Tensor } from "../core/index.ts";
import { removeLeftovers, writeFileAtomically } from "./atomic.ts";
import { readWhole } from "./files.ts";
import { sha256 } from "./hash.ts";
import { Field, formatJson, type Json, parseJson } from "./json.ts";
import { readSafetensorsWithMetadata, writeSafetensorsAsync } from "./safetensors.ts";

const formatName = "nagare.checkpoint";
const formatVersion = "1";
/** Stands for the digest while the digest is computed. */
const noDigest = "0".repeat(64);

/** What a checkpoint holds. */
export interface CheckpointState {
  /** The number of finished steps: a greater one is newer. */
  readonly step: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Everything else that resuming needs, as plain JSON. */
  readonly json: Json;
}

/** A checkpoint that was read and verified. */
export interface Checkpoint extends CheckpointState {
  readonly file: string;
  readonly tensors: Map<string, Tensor>;
}

/** A checkpoint that could not be used, and why. */
export interface SkippedCheckpoint {
  readonly file: string;
  readonly reason: string;
}

const fileSystem = () => nodeModule<typeof import("node:fs/promises")>("node:fs/promises", "checkpoint");
const paths = () => nodeModule<typeof import("node:path")>("node:path", "checkpoint");

/**
 * Writes `checkpoint-<step>.safetensors` into a folder, which is made when it is missing, and removes all but the
 * newest `keep` checkpoints up to this step. One folder belongs to one run.
 * @param options.keep Default 2: should the disk damage the newest, there is another.
 * @returns The file's path.
 * Throws ValueError for a step that is no whole number from 0 up, a `keep` below 1, or state that is no JSON.
 * @example
 * await saveCheckpoint("run", { step: 100, tensors: new Map([["w", w.value]]), json: { epoch: 2 } });
 */
export async function saveCheckpoint(
  folder: string,
  { step, tensors, json }: CheckpointState,
  { keep = 2 }: { readonly keep?: number } = {},
): Promise<string> {
  checkCount(step, 0, "saveCheckpoint: step");
  checkCount(keep, 1, "saveCheckpoint: keep");
  const state = formatJson(json, "saveCheckpoint");
  const bytes = await writeSafetensorsAsync(tensors, {
    format: formatName,
    sha256: noDigest,
    state,
    step: String(step),
    version: formatVersion,
  });
  bytes.set(new TextEncoder().encode(sha256(bytes)), digestOffset(bytes, "saveCheckpoint"));
  const file = paths().join(folder, `checkpoint-${step}.safetensors`);
  await fileSystem().mkdir(folder, { recursive: true });
  await writeFileAtomically(file, bytes);
  await prune(folder, step, keep);
  return file;
}

/** The checkpoints of a folder by their names, the newest first. */
async function list(folder: string): Promise<{ file: string; step: number }[]> {
  let names: string[];
  try {
    names = await fileSystem().readdir(folder);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw error;
  }
  const found = names.flatMap((name) => {
    const step = /^checkpoint-(\d{1,15})\.safetensors$/.exec(name)?.[1];
    return step === undefined ? [] : [{ file: paths().join(folder, name), step: Number(step) }];
  });
  return found.sort((a, b) => b.step - a.step);
}

async function prune(folder: string, step: number, keep: number): Promise<void> {
  const old = (await list(folder)).filter((checkpoint) => checkpoint.step <= step).slice(keep);
  for (const { file } of old) await fileSystem().rm(file, { force: true });
  await removeLeftovers(folder);
}

/**
 * The newest checkpoint of a folder that verifies, undefined when there is none, and the damaged ones it passed over.
 * A folder that does not exist has none.
 * @example
 * const { checkpoint, skipped } = await latestCheckpoint("run");
 */
export async function latestCheckpoint(
  folder: string,
): Promise<{ checkpoint: Checkpoint | undefined; skipped: SkippedCheckpoint[] }> {
  const skipped: SkippedCheckpoint[] = [];
  for (const { file } of await list(folder)) {
    try {
      return { checkpoint: await readCheckpoint(file), skipped };
    } catch (error) {
      skipped.push({ file, reason: (error as Error).message });
    }
  }
  return { checkpoint: undefined, skipped };
}

/** Reads and verifies one checkpoint. Throws FormatError when it is damaged, truncated or no checkpoint, ValueError when it cannot be opened. */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  return { file, ...parseCheckpoint(await readWhole(file), file) };
}

function parseCheckpoint(bytes: Uint8Array, where: string): Omit<Checkpoint, "file"> {
  const { tensors, metadata } = readSafetensorsWithMetadata(bytes, where);
  const header = new Field(metadata, where);
  header.get("format").is(formatName);
  header.get("version").is(formatVersion);
  const expected = header.get("sha256").string();
  const received = digestWithout(bytes, where);
  if (received !== expected) {
    throw new FormatError(
      `${where}: expected the SHA-256 ${expected}; received ${received}: the file is damaged.`,
    );
  }
  const json = parseJson(new TextEncoder().encode(header.get("state").string()), `${where}, state`);
  const step = Number(header.get("step").string());
  return { step: new Field(step, `${where}, step`).count(), tensors, json };
}

/** The digest of a file in which its own digest is blank. */
function digestWithout(bytes: Uint8Array, where: string): string {
  const at = digestOffset(bytes, where);
  return sha256(
    bytes.subarray(0, at),
    new TextEncoder().encode(noDigest),
    bytes.subarray(at + noDigest.length),
  );
}

/** Inside a JSON string quotes are escaped, so that this text can only be the key itself. */
const digestKey = '"sha256":"';

function digestOffset(bytes: Uint8Array, where: string): number {
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const header = new TextDecoder("latin1").decode(bytes.subarray(8, 8 + headerLength));
  const at = header.indexOf(digestKey);
  if (at < 0) throw new FormatError(`${where}: expected a SHA-256 in the header; received none.`);
  return 8 + at + digestKey.length;
}
