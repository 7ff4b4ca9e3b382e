/** Values of options: parsed once, with the range in the message. */
import { InvalidArgumentError } from "commander";

/** A parser of whole numbers from `low` to `high`. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${low} to ${high}.`);
  };
}

const units: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** A size such as 500000, 512k, 16m or 1g, in bytes. */
export function byteCount(text: string): number {
  const match = /^(\d{1,15})([kmg]?)(?:i?b)?$/i.exec(text);
  const bytes = Number(match?.[1]) * (units[match?.[2]?.toLowerCase() ?? ""] ?? 1);
  if (match && bytes >= 1 && bytes <= 2 ** 30) return bytes;
  throw new InvalidArgumentError("Expected a size from 1 byte to 1g, such as 500000, 512k or 16m.");
}

/** Which versions to serve: latest, all, or numbers separated by commas. */
export function versionChoice(text: string): "latest" | "all" | number[] {
  if (text === "latest" || text === "all") return text;
  if (/^\d{1,15}(?:,\d{1,15})*$/.test(text)) return text.split(",").map(Number);
  throw new InvalidArgumentError("Expected latest, all, or numbers separated by commas, such as 1,2.");
}

/** Adds a named size, such as batch=8, to those before it. */
export function namedSize(
  text: string,
  earlier: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  const [, name = "", size = ""] = /^(.+)=(.*)$/.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError("Expected a name and a size, such as batch=8.");
  return { ...earlier, [name]: wholeNumber(1, 2 ** 31 - 1)(size) };
}
