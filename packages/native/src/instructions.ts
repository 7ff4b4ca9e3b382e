/** Writing programs: the numbers that the engine's decoders read, instruction by instruction. */
import { convertElement, type DType, dtypes, isFloat, viewBuffer, writeElement } from "nagare/backend";

/** A place in one of a program's memories: base 0 is the arena, then come the constants, then what each run is given. */
export interface Place {
  readonly base: number;
  /** Bytes. */
  readonly offset: number;
}

const dtypeCodes = new Map(dtypes.map((dtype, code) => [dtype, code]));

/** The code of a dtype in programs: its place in the list of dtypes. */
export function dtypeCode(dtype: DType): number {
  return dtypeCodes.get(dtype) ?? -1;
}

/** A cursor that writes one instruction after the other. */
export class InstructionWriter {
  readonly #numbers: number[] = [];
  readonly #kinds: ReadonlyMap<string, number>;
  #start = 0;
  /** How many instructions there are. */
  count = 0;

  /** `kinds` are the engine's instructions by name. */
  constructor(kinds: ReadonlyMap<string, number>) {
    this.#kinds = kinds;
  }

  /** Starts an instruction; `body` writes its numbers. */
  instruction(kind: string, body: () => void): void {
    const code = this.#kinds.get(kind);
    if (code === undefined)
      throw new TypeError(`The native engine has no instruction ${JSON.stringify(kind)}.`);
    this.#numbers.push(code, 0);
    this.#start = this.#numbers.length;
    body();
    this.#numbers[this.#start - 1] = this.#numbers.length - this.#start;
    this.count += 1;
  }

  int(value: number): void {
    this.#numbers.push(value);
  }

  flag(value: boolean): void {
    this.#numbers.push(value ? 1 : 0);
  }

  /** A count, an offset or a stride: 64 bits in two numbers, the lower half first. */
  wide(value: number): void {
    const high = Math.floor(value / 2 ** 32);
    this.#numbers.push((value - high * 2 ** 32) | 0, high | 0);
  }

  wides(values: readonly number[]): void {
    for (const value of values) this.wide(value);
  }

  /** A number for the tile interpreter: the bits of a double for floats, the value itself for integers. */
  scalar(dtype: DType, value: number | bigint): void {
    const view = new DataView(new ArrayBuffer(8));
    if (isFloat(dtype)) view.setFloat64(0, Number(value), true);
    else view.setBigInt64(0, BigInt(value), true);
    this.#numbers.push(view.getInt32(0, true), view.getInt32(4, true));
  }

  /** The bits of one element as it is stored, in the lower bytes of 64. */
  element(dtype: DType, value: number | bigint): void {
    const view = new DataView(new ArrayBuffer(8));
    const array = viewBuffer(dtype, view.buffer, 0, 1);
    writeElement(array, dtype, 0, convertElement(value, "float64", dtype));
    this.#numbers.push(view.getInt32(0, true), view.getInt32(4, true));
  }

  dtype(dtype: DType): void {
    this.#numbers.push(dtypeCode(dtype));
  }

  place({ base, offset }: Place): void {
    this.int(base);
    this.wide(offset);
  }

  finish(): Int32Array {
    return Int32Array.from(this.#numbers);
  }
}
