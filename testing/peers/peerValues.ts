/** Values of other libraries, as make_peers.py wrote them. */
import { readFileSync } from "node:fs";
import type { ConcreteTensor, DType } from "nagare/backend";
import { tensorOf } from "../generator/draw.ts";

/** JSON's numbers and the three names it lacks. */
export type PeerNumber = number | "NaN" | "Infinity" | "-Infinity";

/** A tensor in row-major order. */
export interface PeerTensor {
  readonly shape: readonly number[];
  readonly values: readonly PeerNumber[];
}

/** One file: which versions made it, and what they said. */
export interface PeerFile<Case> {
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: readonly Case[];
}

/** The values of one subject, which is the name of a file beside this one. */
export function readPeer<Case>(subject: string): PeerFile<Case> {
  return JSON.parse(readFileSync(new URL(`${subject}.json`, import.meta.url), "utf8")) as PeerFile<Case>;
}

/** A tensor with a peer's elements. */
export function fromPeer({ shape, values }: PeerTensor, dtype: DType): ConcreteTensor {
  return tensorOf(values.map(Number), shape, dtype);
}

/** A peer's row of elements as a tensor of one axis. */
export function rowFromPeer(values: readonly PeerNumber[], dtype: DType): ConcreteTensor {
  return fromPeer({ shape: [values.length], values }, dtype);
}

/** The library and version that made a file, for test names. */
export function madeBy({ versions }: PeerFile<unknown>): string {
  const [[library, version] = ["", ""]] = Object.entries(versions);
  return `${library} ${version}`;
}
