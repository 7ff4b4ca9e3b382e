import { RequestError } from "../errors.ts";
import * as ascii from "./ascii.ts";

/** What a JSON value is, as its first byte tells. */
export type JsonKind =
  | "a list"
  | "an object"
  | "a string"
  | "a number"
  | "true"
  | "false"
  | "null"
  | "the end of the text"
  | "no JSON value";

const DEEPEST = 100;
const powersOfTen = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));
const tokens = new Map(
  ["true", "false", "null", "NaN", "Infinity", "-Infinity"].map((word) => [word, Buffer.from(word)]),
);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A cursor over JSON text (RFC 8259, and the tokens NaN, Infinity and -Infinity as numbers, which TensorFlow Serving
 * reads and writes). The caller knows what comes next and asks for it; numbers go straight to where they belong.
 * Everything unexpected throws RequestError 400 with the byte's position.
 */
export class JsonReader {
  readonly #bytes: Buffer;
  #at = 0;
  // The number scanned last: where it began, its digits as an integer, how many there are, and its power of ten.
  #numberStart = 0;
  #mantissa = 0;
  #digits = 0;
  #exponent = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The position of the next byte; may be set to a position read before. */
  get at(): number {
    return this.#at;
  }

  set at(position: number) {
    this.#at = position;
  }

  /** What the next value is. */
  kind(): JsonKind {
    const byte = this.#peek();
    if (byte >= ascii.ZERO && byte <= ascii.NINE) return "a number";
    switch (byte) {
      case ascii.BRACKET:
        return "a list";
      case ascii.BRACE:
        return "an object";
      case ascii.QUOTE:
        return "a string";
      case ascii.MINUS:
      case ascii.CAPITAL_I:
      case ascii.CAPITAL_N:
        return "a number";
      case -1:
        return "the end of the text";
    }
    for (const word of ["true", "false", "null"] as const) if (this.#startsWith(word)) return word;
    return "no JSON value";
  }

  /** Enters a list; false when it is empty, and then also leaves it. */
  openList(): boolean {
    return this.#open(ascii.BRACKET, ascii.BRACKET_END, "a list");
  }

  /** After an element of a list: true when another follows, false when the list is over. */
  nextElement(): boolean {
    return this.#next(ascii.BRACKET_END, '"," or "]"');
  }

  /** Enters an object; false when it is empty, and then also leaves it. */
  openObject(): boolean {
    return this.#open(ascii.BRACE, ascii.BRACE_END, "an object");
  }

  /** After a member of an object: true when another follows, false when the object is over. */
  nextMember(): boolean {
    return this.#next(ascii.BRACE_END, '"," or "}"');
  }

  /** The key of the next member, up to and with its colon. */
  key(): string {
    const key = this.string();
    this.#colon();
    return key;
  }

  string(): string {
    const start = this.#skipString();
    const text = decoder.decode(this.#bytes.subarray(start, this.#at));
    try {
      return JSON.parse(text) as string;
    } catch {
      this.#at = start;
      return this.#fail("a string without control characters and with JSON's escapes");
    }
  }

  boolean(): boolean {
    if (this.#word("true")) return true;
    if (this.#word("false")) return false;
    return this.#fail("true or false");
  }

  /** A number, correctly rounded to float64; NaN, Infinity and -Infinity count as numbers. */
  number(): number {
    const special = this.#scanNumber();
    if (special !== undefined) return special;
    const exponent = this.#exponent;
    // Up to 15 digits and 10²² are exact in float64, so that one division or product rounds once (Clinger 1990).
    if (this.#digits > 15 || exponent < -22 || exponent > 22) return Number(this.numberText());
    const power = powersOfTen[Math.abs(exponent)] ?? 1;
    const magnitude = exponent < 0 ? this.#mantissa / power : this.#mantissa * power;
    return this.#bytes[this.#numberStart] === ascii.MINUS ? -magnitude : magnitude;
  }

  /** The number read last, as it stood. */
  numberText(): string {
    return this.#bytes.toString("latin1", this.#numberStart, this.#at);
  }

  /** Passes over one value of any kind, checking its grammar. Iterative: the depth of the text is not the stack's. */
  skipValue(): void {
    const closers: number[] = [];
    const enter = (closer: number): void => {
      closers.push(closer);
      if (closers.length > DEEPEST) this.#fail(`at most ${DEEPEST} levels of lists and objects`);
    };
    for (;;) {
      const byte = this.#peek();
      if (byte === ascii.BRACKET && this.openList()) {
        enter(ascii.BRACKET_END);
        continue;
      }
      if (byte === ascii.BRACE && this.openObject()) {
        enter(ascii.BRACE_END);
        this.#skipKey();
        continue;
      }
      if (byte !== ascii.BRACKET && byte !== ascii.BRACE) this.#skipScalar(byte);
      // A value has just ended: leave what it was the last of.
      let closer = closers.at(-1);
      while (closer !== undefined) {
        if (closer === ascii.BRACE_END ? this.nextMember() : this.nextElement()) break;
        closers.pop();
        closer = closers.at(-1);
      }
      if (closer === undefined) return;
      if (closer === ascii.BRACE_END) this.#skipKey();
    }
  }

  /** Checks that only white space is left. */
  end(): void {
    if (this.#peek() !== -1) this.#fail("the end of the text");
  }

  /** The next byte that is no white space, without taking it; -1 at the end. */
  #peek(): number {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return -1;
      if (byte !== ascii.SPACE && byte !== ascii.NEWLINE && byte !== ascii.RETURN && byte !== ascii.TAB)
        return byte;
      this.#at += 1;
    }
  }

  #open(opener: number, closer: number, expected: string): boolean {
    if (this.#peek() !== opener) this.#fail(expected);
    this.#at += 1;
    if (this.#peek() !== closer) return true;
    this.#at += 1;
    return false;
  }

  #next(closer: number, expected: string): boolean {
    const byte = this.#peek();
    if (byte !== ascii.COMMA && byte !== closer) this.#fail(expected);
    this.#at += 1;
    return byte === ascii.COMMA;
  }

  #colon(): void {
    if (this.#peek() !== ascii.COLON) this.#fail('":"');
    this.#at += 1;
  }

  #skipKey(): void {
    this.string();
    this.#colon();
  }

  #skipScalar(byte: number): void {
    if (byte === ascii.MINUS || (byte >= ascii.ZERO && byte <= ascii.NINE)) this.#scanNumber();
    else if (byte === ascii.QUOTE) this.string();
    else if (!this.#word("true") && !this.#word("false") && !this.#word("null")) this.#scanNumber();
  }

  /** Passes over a string; returns where it began. */
  #skipString(): number {
    if (this.#peek() !== ascii.QUOTE) this.#fail("a string");
    const start = this.#at;
    let at = start + 1;
    for (;;) {
      const byte = this.#bytes[at];
      if (byte === undefined) return this.#failAt(at, "the closing quote of a string");
      at += byte === ascii.BACKSLASH ? 2 : 1;
      if (byte === ascii.QUOTE) break;
    }
    this.#at = at;
    return start;
  }

  /** Passes over a number and notes its digits and power of ten; returns the value of NaN and the infinities. */
  #scanNumber(): number | undefined {
    const bytes = this.#bytes;
    const first = this.#peek();
    let at = this.#at;
    this.#numberStart = at;
    if (first === ascii.MINUS) at += 1;
    let byte = bytes[at] ?? -1;
    if (byte < ascii.ZERO || byte > ascii.NINE) return this.#specialNumber();
    let mantissa = 0;
    let digits = 0;
    let exponent = 0;
    if (byte === ascii.ZERO) {
      byte = bytes[++at] ?? -1;
    } else {
      for (; byte >= ascii.ZERO && byte <= ascii.NINE; byte = bytes[++at] ?? -1) {
        mantissa = mantissa * 10 + (byte - ascii.ZERO);
        digits += 1;
      }
    }
    if (byte === ascii.DOT) {
      const point = at;
      byte = bytes[++at] ?? -1;
      for (; byte >= ascii.ZERO && byte <= ascii.NINE; byte = bytes[++at] ?? -1) {
        mantissa = mantissa * 10 + (byte - ascii.ZERO);
        if (mantissa > 0) digits += 1;
      }
      if (at === point + 1) return this.#failAt(at, "a digit after the decimal point");
      exponent = point + 1 - at;
    }
    if (byte === ascii.SMALL_E || byte === ascii.CAPITAL_E) {
      byte = bytes[++at] ?? -1;
      const negative = byte === ascii.MINUS;
      if (negative || byte === ascii.PLUS) byte = bytes[++at] ?? -1;
      const digitsStart = at;
      let scale = 0;
      for (; byte >= ascii.ZERO && byte <= ascii.NINE; byte = bytes[++at] ?? -1) {
        if (scale < 10_000) scale = scale * 10 + (byte - ascii.ZERO);
      }
      if (at === digitsStart) return this.#failAt(at, "a digit in the exponent");
      exponent += negative ? -scale : scale;
    }
    this.#at = at;
    this.#mantissa = mantissa;
    this.#digits = digits;
    this.#exponent = exponent;
    return undefined;
  }

  #specialNumber(): number {
    if (this.#word("NaN")) return Number.NaN;
    if (this.#word("Infinity")) return Number.POSITIVE_INFINITY;
    if (this.#word("-Infinity")) return Number.NEGATIVE_INFINITY;
    return this.#fail("a value");
  }

  #startsWith(word: string): boolean {
    return tokens.get(word)?.every((byte, i) => this.#bytes[this.#at + i] === byte) ?? false;
  }

  #word(word: string): boolean {
    this.#peek();
    if (!this.#startsWith(word)) return false;
    this.#at += word.length;
    return true;
  }

  #failAt(position: number, expected: string): never {
    this.#at = position;
    return this.#fail(expected);
  }

  #fail(expected: string): never {
    const byte = this.#bytes[this.#at];
    const printable = byte !== undefined && byte > ascii.SPACE && byte < 0x7f;
    const received =
      byte === undefined
        ? "the end of the text"
        : printable
          ? `"${String.fromCharCode(byte)}"`
          : `byte ${byte}`;
    throw new RequestError(
      400,
      `The body is not valid JSON: expected ${expected} at byte ${this.#at}; received ${received}. ` +
        "Send the output of a JSON writer, such as JSON.stringify.",
    );
  }
}
