/** Whether a party did the same work as we did. */
import type { Check } from "./workload.ts";

/** What a party's runs returned. */
export interface Evidence {
  readonly output?: Float32Array;
  /** The losses of all training steps, in order. */
  readonly losses: readonly number[];
}

/** By the end of a run the loss on the one batch must have fallen to this share of the first loss. */
const fallenShare = 0.95;

function compareValues(tolerance: number, ours: Float32Array, theirs: Float32Array): string | undefined {
  if (ours.length !== theirs.length) return `has ${theirs.length} elements where Nagare has ${ours.length}`;
  let largest = 0;
  let difference = 0;
  let at = 0;
  for (let index = 0; index < ours.length; index += 1) {
    const value = ours[index] ?? 0;
    const apart = Math.abs(value - (theirs[index] ?? 0));
    largest = Math.max(largest, Math.abs(value));
    // Written so that NaN counts as a difference.
    if (!(apart <= difference)) {
      difference = apart;
      at = index;
    }
    if (Number.isNaN(apart)) break;
  }
  if (difference <= tolerance * largest) return undefined;
  return `gives ${theirs[at]} at ${at} where Nagare gives ${ours[at]}`;
}

function compareLosses(
  { sameSteps, tolerance }: Check & { kind: "losses" },
  ours: readonly number[],
  theirs: readonly number[],
): string | undefined {
  for (let step = 0; step < sameSteps; step += 1) {
    const [wanted = Number.NaN, received = Number.NaN] = [ours[step], theirs[step]];
    if (Math.abs(received - wanted) <= tolerance * Math.abs(wanted)) continue;
    return `has the loss ${received} after ${step} steps where Nagare has ${wanted}`;
  }
  const [first = Number.NaN, last = Number.NaN] = [theirs[0], theirs.at(-1)];
  if (last < fallenShare * first) return undefined;
  return `does not learn: its loss goes from ${first} to ${last} in ${theirs.length} steps`;
}

/** In words, how `theirs` is not the result that `ours` is; undefined when it is. */
export function disagreement(check: Check, ours: Evidence, theirs: Evidence): string | undefined {
  if (check.kind === "losses") return compareLosses(check, ours.losses, theirs.losses);
  if (check.kind === "none") return undefined;
  if (!ours.output || !theirs.output) return "returned no output";
  return compareValues(check.tolerance, ours.output, theirs.output);
}
