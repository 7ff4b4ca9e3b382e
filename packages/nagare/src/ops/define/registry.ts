/** Every primitive by name. Defining a record is registering it; nothing lists the operations a second time. */
import { NagareError, type Tensor, UnsupportedError } from "../../core/index.ts";
import { bind, type OpBuilder, type Params, type Primitive, type RuledPrimitive } from "../../trace/index.ts";

const records = new Map<string, Primitive>();
const functions: Record<string, unknown> = {};

/** The primitives as functions, by name: what rules receive as `o`. */
export const builder = functions as unknown as OpBuilder;

/** All records, in the order of their definition. */
export function primitives(): readonly Primitive[] {
  return [...records.values()];
}

/** The record of a name that came from outside, such as a saved graph. Throws UnsupportedError. */
export function primitiveByName(name: string): Primitive {
  const record = records.get(name);
  if (!record) {
    throw new UnsupportedError(
      `There is no operation named ${JSON.stringify(name)} in this version of Nagare; it was perhaps saved by a newer one.`,
    );
  }
  return record;
}

/** A function on tensors that is at the same time the record of its primitive. */
export type Callable<P extends Params, F, R extends Primitive<P> = RuledPrimitive<P>> = R & F;

/**
 * Registers a record and makes it callable. `call` brings the arguments a user writes into the primitive's operands.
 */
export function register<
  P extends Params,
  F extends (...args: never[]) => Tensor | readonly Tensor[],
  R extends Primitive<P> = RuledPrimitive<P>,
>(record: R, call: F): Callable<P, F, R> {
  if (records.has(record.name)) throw new NagareError(`The primitive ${record.name} is defined twice.`);
  // Copied one by one because a function's own `name` is read-only to assignment.
  for (const [key, value] of Object.entries(record)) {
    Object.defineProperty(call, key, { value, enumerable: true, configurable: true, writable: true });
  }
  const callable = call as unknown as Callable<P, F, R>;
  records.set(record.name, callable as unknown as Primitive);
  functions[record.name] = callable;
  return callable;
}

/** The only element of a list that a rule knows to have one. */
export function only<T>(list: readonly T[], name: string): T {
  const [first] = list;
  if (first === undefined || list.length !== 1) {
    throw new NagareError(`${name}: expected one value here; received ${list.length}.`);
  }
  return first;
}

/** Binds a primitive with a single result. */
export function bindOne<P extends Params>(op: Primitive<P>, inputs: readonly Tensor[], params: P): Tensor {
  return only(bind(op, inputs, params), op.name);
}
