/** Parameters as text to compare them by. */
import type { Param } from "./primitive.ts";

/** A text that is the same for equal parameters and no others. It is for tables and not for people: `printGraph` has those. */
export function paramKey(param: Param): string {
  if (typeof param === "symbol") return `@${param.description}`;
  if (Array.isArray(param)) return `[${param.map(paramKey).join(",")}]`;
  if (typeof param === "object" && param !== null) {
    return `{${Object.entries(param)
      .map(([key, value]) => `${key}:${paramKey(value as Param)}`)
      .join(",")}}`;
  }
  // -0 and 0 are different constants, and strings must not read as numbers.
  if (typeof param === "string") return JSON.stringify(param);
  return Object.is(param, -0) ? "-0" : `${typeof param}${String(param)}`;
}
