/** JSON from files: the depth is bounded and no key may occur twice, because parsers disagree on which one counts. */
import { FormatError, ValueError } from "../core/index.ts";

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const maximalDepth = 64;

/** Decodes UTF-8 and parses it. Throws FormatError with the place of what is wrong. */
export function parseJson(bytes: Uint8Array, where: string): Json {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError(`${where}: expected JSON in UTF-8; received bytes that are not UTF-8.`);
  }
  checkNesting(text, where);
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new FormatError(`${where}: expected JSON; received ${(error as Error).message}.`);
  }
}

/**
 * Walks over the text once, before it is parsed. It trusts nothing: on malformed text it may only fail to complain,
 * which the parser then does.
 */
function checkNesting(text: string, where: string): void {
  /** The keys seen in each open object; undefined for arrays. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys && nextCode(text, end + 1) === colon) {
        const key = text.slice(at, end + 1);
        const name = key.includes("\\") ? unescapeKey(key, where) : key.slice(1, -1);
        if (keys.has(name)) {
          throw new FormatError(`${where}: expected each key once; received ${JSON.stringify(name)} twice.`);
        }
        keys.add(name);
      }
      at = end;
    } else if (code === openBrace || code === openBracket) {
      open.push(code === openBrace ? new Set() : undefined);
      if (open.length > maximalDepth) {
        throw new FormatError(`${where}: expected JSON of at most ${maximalDepth} levels; received more.`);
      }
    } else if (code === closeBrace || code === closeBracket) {
      open.pop();
    }
  }
}

const [quote, colon, backslash] = [0x22, 0x3a, 0x5c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at;
}

function nextCode(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at += 1;
  return text.charCodeAt(at);
}

function unescapeKey(quoted: string, where: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw new FormatError(`${where}: expected JSON; received the malformed key ${quoted.slice(0, 100)}.`);
  }
}

/**
 * The JSON text of a value. Throws ValueError for what JSON would silently change (NaN and the infinities, undefined,
 * objects with a class) and for more levels than `parseJson` reads back.
 */
export function formatJson(value: Json, where: string): string {
  const check = (part: unknown, path: string, depth: number): void => {
    if (part === null || typeof part === "string" || typeof part === "boolean") return;
    if (typeof part === "number" && Number.isFinite(part)) return;
    if (typeof part !== "object" || !(Array.isArray(part) || isPlainObject(part))) {
      throw new ValueError(`${where}: expected plain JSON; received ${String(part)} at ${path}.`);
    }
    if (depth > maximalDepth) {
      throw new ValueError(
        `${where}: expected JSON of at most ${maximalDepth} levels; received more at ${path}.`,
      );
    }
    for (const [key, child] of Object.entries(part)) check(child, `${path}.${key}`, depth + 1);
  };
  check(value, "json", 1);
  return JSON.stringify(value);
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A JSON object, as opposed to an array or null. */
export type JsonObject = { readonly [key: string]: Json };

/** A value read from a file, together with the place it came from: every check names that place. */
export class Field {
  readonly value: Json | undefined;
  readonly where: string;

  constructor(value: Json | undefined, where: string) {
    this.value = value;
    this.where = where;
  }

  /** Throws FormatError: what was expected here, and what is here. */
  fail(expected: string): never {
    const text = this.value === undefined ? "nothing" : JSON.stringify(this.value);
    const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
    throw new FormatError(`${this.where}: expected ${expected}; received ${shown}.`);
  }

  object(): JsonObject {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return this.fail("an object");
    return value as JsonObject;
  }

  /** The members of an object by name. */
  members(): [string, Field][] {
    return Object.entries(this.object()).map(([name, value]) => [
      name,
      new Field(value, `${this.where}.${name}`),
    ]);
  }

  /** One member of an object; absent members have the value undefined. */
  get(name: string): Field {
    const object = this.object();
    return new Field(Object.hasOwn(object, name) ? object[name] : undefined, `${this.where}.${name}`);
  }

  /** The elements of an array. */
  elements(): Field[] {
    if (!Array.isArray(this.value)) return this.fail("an array");
    return (this.value as readonly Json[]).map((value, i) => new Field(value, `${this.where}[${i}]`));
  }

  string(): string {
    return typeof this.value === "string" ? this.value : this.fail("a string");
  }

  /** A whole number from `least` up to `most`. */
  count(least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const { value } = this;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most)
      return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} up` : `from ${least} to ${most}`;
    return this.fail(`a whole number ${range}`);
  }

  /** Throws FormatError unless the value is `expected`. */
  is(expected: string | number): void {
    if (this.value !== expected) this.fail(JSON.stringify(expected));
  }
}
