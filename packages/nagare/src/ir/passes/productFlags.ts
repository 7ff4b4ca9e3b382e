/** The flags of matrix products. */
import type { Params } from "../../ops/index.ts";

const flags = ["transposeA", "transposeB", "wide"] as const;

/** Whether two products read their factors in the same way and give sums of the same width. */
export function haveSameFlags(a: Params, b: Params): boolean {
  return flags.every((flag) => Boolean(a[flag]) === Boolean(b[flag]));
}
