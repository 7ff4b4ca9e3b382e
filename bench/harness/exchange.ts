/**
 * How the harness and a party talk: JSON lines over the party's stdin and stdout, arrays as files of raw little-endian
 * elements. A party says `Ready` once, then answers each `Request` with one `Answer`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InputArray, Parameters } from "./workload.ts";

/** An array on disk. */
export interface ArrayFile {
  readonly file: string;
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
}

/** A party's first line. */
export interface Ready {
  readonly ready: true;
  readonly version: string;
  readonly threads: number;
}

/** One turn: prepare the workload when `inputs` come, run it a few times untimed, then time `samples` runs. */
export interface Request {
  readonly workload: string;
  readonly samples: number;
  readonly inputs?: Readonly<Record<string, ArrayFile>>;
  /** Come with the inputs. */
  readonly parameters?: Parameters;
  /** The file that receives the output of one more, untimed run, as float32. */
  readonly output?: string;
  /** Whether a run returns a loss, which the answer repeats. */
  readonly losses?: boolean;
}

/** What came of a turn. */
export interface Answer {
  /** Milliseconds of each timed run. */
  readonly times?: readonly number[];
  /** Losses of all runs of the turn, the untimed ones included. */
  readonly losses?: readonly number[];
  /** Why there are no times. */
  readonly error?: string;
  /** Why this party does not offer the workload: no failure. */
  readonly unsupported?: string;
}

/** Writes a workload's inputs to a folder, for the parties to read. */
export async function writeArrays(
  folder: string,
  arrays: Readonly<Record<string, InputArray>>,
): Promise<Record<string, ArrayFile>> {
  const written: Record<string, ArrayFile> = {};
  for (const [name, { shape, data }] of Object.entries(arrays)) {
    const file = join(folder, `${name}.bin`);
    await writeFile(file, data);
    written[name] = { file, dtype: data instanceof Float32Array ? "float32" : "int32", shape };
  }
  return written;
}

/** Reads an array that the harness wrote. */
export async function readArray({ file, dtype, shape }: ArrayFile): Promise<InputArray> {
  const { buffer, byteOffset, byteLength } = await readFile(file);
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  return { shape, data: dtype === "float32" ? new Float32Array(bytes) : new Int32Array(bytes) };
}
