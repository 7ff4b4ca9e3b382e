/** The default generator: the state from which layers draw keys of their own. */
import type { Tensor } from "../core/index.ts";
import { Variable } from "../runtime/index.ts";
import { key, split } from "./key.ts";

let state: Variable<"int32"> | undefined;

/**
 * The state of the default generator, int32 [2]: a variable, so that it advances under jit too, and can be saved and
 * put back. It begins with the seed 0.
 */
export function generatorState(): Variable<"int32"> {
  state ??= new Variable<"int32">(key(0), { name: "generator", trainable: false });
  return state;
}

/**
 * Starts the default generator anew. The same seed gives the same initial weights and dropout masks.
 * @example
 * ng.random.seed(42);
 */
export function seed(value: number | bigint): void {
  generatorState().assign(key(value));
}

/** A fresh key from the default generator, which moves on. */
export function nextKey(): Tensor {
  const generator = generatorState();
  const [next, fresh] = split(generator.value, 2) as [Tensor, Tensor];
  generator.assign(next);
  return fresh;
}
