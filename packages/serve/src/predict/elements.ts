/** The elements of one tensor as they arrive: dtype rules and storage that grows. */
import type { DType } from "nagare";
import type { JsonReader } from "../json/index.ts";

/** JavaScript arrays that elements of a request are collected in; the halves are rounded when the tensor is made. */
type Values = Float32Array | Float64Array | Int8Array | Uint8Array | Int32Array | BigInt64Array;

/** Why an element was refused, without its position. */
export interface Refusal {
  readonly expected: string;
  readonly received: string;
}

interface ElementRule {
  readonly allocate: (length: number) => Values;
  /** Reads one element, or says why it cannot be one. */
  readonly read: (reader: JsonReader) => number | bigint | Refusal;
}

const nonFiniteStrings = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

/** @param overflow the smallest magnitude that would be rounded to infinity. */
function floatRule(dtype: DType, overflow: number, allocate: ElementRule["allocate"]): ElementRule {
  return {
    allocate,
    read(reader) {
      const kind = reader.kind();
      if (kind === "a number") {
        const value = reader.number();
        const holds = Math.abs(value) < overflow || Number.isNaN(value);
        if (holds || reader.numberText().endsWith("Infinity")) return value;
        return { expected: `a number that ${dtype} can hold`, received: shorten(reader.numberText()) };
      }
      if (kind === "a string") {
        const text = reader.string();
        const value = nonFiniteStrings.get(text);
        return value ?? { expected: "a number", received: `the string ${JSON.stringify(shorten(text))}` };
      }
      return { expected: "a number", received: kind };
    },
  };
}

function integerRule(low: number, high: number, allocate: ElementRule["allocate"]): ElementRule {
  const expected = `a whole number from ${low} to ${high}`;
  return {
    allocate,
    read(reader) {
      const kind = reader.kind();
      if (kind !== "a number") return { expected, received: kind };
      const value = reader.number();
      if (Number.isInteger(value) && value >= low && value <= high) return value;
      return { expected, received: shorten(reader.numberText()) };
    },
  };
}

const int64Rule: ElementRule = {
  allocate: (length) => new BigInt64Array(length),
  read(reader) {
    const expected = "a whole number from -2^63 to 2^63-1";
    const kind = reader.kind();
    if (kind !== "a number") return { expected, received: kind };
    const value = reader.number();
    if (Number.isSafeInteger(value)) return BigInt(value);
    // Beyond 2^53 the float64 has lost digits that the text still has.
    const text = reader.numberText();
    const exact = /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined;
    if (exact !== undefined && BigInt.asIntN(64, exact) === exact) return exact;
    return { expected, received: shorten(text) };
  },
};

const boolRule: ElementRule = {
  allocate: (length) => new Uint8Array(length),
  read(reader) {
    const kind = reader.kind();
    return kind === "true" || kind === "false"
      ? Number(reader.boolean())
      : { expected: "true or false", received: kind };
  },
};

const float32s: ElementRule["allocate"] = (length) => new Float32Array(length);

const rules: Readonly<Record<DType, ElementRule>> = {
  float32: floatRule("float32", 2 ** 128 - 2 ** 103, float32s),
  float64: floatRule("float64", Number.POSITIVE_INFINITY, (length) => new Float64Array(length)),
  float16: floatRule("float16", 65520, float32s),
  bfloat16: floatRule("bfloat16", 2 ** 128 - 2 ** 119, float32s),
  int8: integerRule(-128, 127, (length) => new Int8Array(length)),
  uint8: integerRule(0, 255, (length) => new Uint8Array(length)),
  int32: integerRule(-(2 ** 31), 2 ** 31 - 1, (length) => new Int32Array(length)),
  int64: int64Rule,
  bool: boolRule,
};

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

/** Collects elements of one dtype in one typed array, which doubles when it is full. */
export class Elements {
  readonly #rule: ElementRule;
  #values: Values;
  #length = 0;

  constructor(dtype: DType) {
    this.#rule = rules[dtype];
    this.#values = this.#rule.allocate(64);
  }

  /** Reads the next element; returns why when it is none of this dtype. */
  read(reader: JsonReader): Refusal | undefined {
    const value = this.#rule.read(reader);
    if (typeof value === "object") return value;
    if (this.#length === this.#values.length) this.#grow();
    this.#values[this.#length] = value;
    this.#length += 1;
    return undefined;
  }

  /** The elements read so far; shares the buffer. */
  finish(): Values {
    return this.#values.subarray(0, this.#length);
  }

  #grow(): void {
    const larger = this.#rule.allocate(this.#values.length * 2);
    (larger as Float32Array).set(this.#values as Float32Array);
    this.#values = larger;
  }
}
