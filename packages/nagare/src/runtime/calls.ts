/** Calls of one operation, known again by all that decides what they do: the operands' shapes and dtypes, and the parameters. */
import { type Aval, sameShape } from "../core/index.ts";
import { type Param, type Params, paramKey } from "../ops/index.ts";

/** How many of the latest calls are compared with a new one before its text is made: as many as a block of layers has. */
const recentCalls = 8;

interface Call<T> {
  readonly inputs: readonly Aval[];
  readonly params: Params;
  readonly value: T;
}

function isSameParam(a: Param, b: Param): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (!Array.isArray(a)) return !Array.isArray(b) && areSameParams(a as Params, b as Params);
  if (!Array.isArray(b) || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!isSameParam(a[i], b[i])) return false;
  return true;
}

function areSameParams(a: Params, b: Params): boolean {
  if (a === b) return true;
  for (const name in a) if (!isSameParam(a[name], b[name])) return false;
  for (const name in b) if (!(name in a)) return false;
  return true;
}

function isSameCall<T>(call: Call<T>, inputs: readonly Aval[], params: Params): boolean {
  if (call.inputs.length !== inputs.length) return false;
  for (let i = 0; i < inputs.length; i++) {
    const [known, input] = [call.inputs[i], inputs[i]];
    if (!known || !input || known.dtype !== input.dtype || !sameShape(known.shape, input.shape)) return false;
  }
  return areSameParams(call.params, params);
}

function callText(inputs: readonly Aval[], params: Params): string {
  let text = "";
  for (const { dtype, shape } of inputs) text += `${dtype} ${shape.map(String).join()};`;
  return text + paramKey(params);
}

/** What was made for each call of an operation, to be used when the same call comes again. */
export class Calls<T> {
  readonly #all = new Map<string, T>();
  readonly #recent: Call<T>[] = [];
  #oldest = 0;

  /** The number of calls known. */
  get size(): number {
    return this.#all.size;
  }

  find(inputs: readonly Aval[], params: Params): T | undefined {
    for (let i = 0; i < this.#recent.length; i++) {
      const call = this.#recent[i];
      if (call && isSameCall(call, inputs, params)) return call.value;
    }
    const value = this.#all.get(callText(inputs, params));
    if (value !== undefined) this.#remember(inputs, params, value);
    return value;
  }

  /** Keeps what was made for a call that is not known. */
  add(inputs: readonly Aval[], params: Params, value: T): void {
    this.#all.set(callText(inputs, params), value);
    this.#remember(inputs, params, value);
  }

  /** Forgets the call that was added first. */
  forgetFirst(): void {
    const [first] = this.#all.keys();
    if (first !== undefined) this.#all.delete(first);
  }

  #remember(inputs: readonly Aval[], params: Params, value: T): void {
    // Operands are tensors, whose memory would not be freed.
    const avals = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
    this.#recent[this.#oldest] = { inputs: avals, params, value };
    this.#oldest = (this.#oldest + 1) % recentCalls;
  }
}
