/**
 * Constants as kernels want them. What a kernel would rearrange in every run, such as the factor of a product or the filters of a
 * convolution, an instruction of the engine rearranges once where it is a constant of the program. Programs that need the same,
 * such as those of one function for several batch sizes, share the result, which lives as long as one of them.
 */
import { allocateStorage, bytesPerElement, type DType, type TypedArray } from "nagare/backend";
import type { Addon } from "./addon.ts";
import { InstructionWriter, type Place } from "./instructions.ts";

/** How a constant is prepared. */
export interface Preparation {
  readonly dtype: DType;
  /** Writes one instruction that reads the constant at `from` and writes all that will be read at `to`. */
  write(writer: InstructionWriter, from: Place, to: Place): void;
}

/** The memories of a preparing program, after the arena. */
const from: Place = { base: 1, offset: 0 };
const to: Place = { base: 2, offset: 0 };

/** The prepared constants of one engine. */
export class PreparedConstants {
  readonly #addon: Addon;
  readonly #instructions: ReadonlyMap<string, number>;
  /** By the constant's elements, and then by the code that prepares them. */
  readonly #known = new WeakMap<TypedArray, Map<string, WeakRef<TypedArray>>>();

  constructor(addon: Addon, instructions: ReadonlyMap<string, number>) {
    this.#addon = addon;
    this.#instructions = instructions;
  }

  /** As `Addon` has it. */
  filterLayout(convolution: Int32Array): number {
    return this.#addon.filterLayout(convolution);
  }

  /** The elements of a constant prepared, which nobody may write to. */
  prepare(constant: TypedArray, { dtype, write }: Preparation): TypedArray {
    const writer = new InstructionWriter(this.#instructions);
    write(writer, from, to);
    const code = writer.finish();
    const key = code.join();
    const ofConstant = this.#known.get(constant) ?? new Map<string, WeakRef<TypedArray>>();
    this.#known.set(constant, ofConstant);
    const known = ofConstant.get(key)?.deref();
    if (known) return known;
    const program = this.#addon.createProgram(code, [], 2, 0);
    const { array } = allocateStorage(dtype, this.#addon.memoryBytes(program, 1) / bytesPerElement(dtype));
    this.#addon.run(program, constant, array);
    ofConstant.set(key, new WeakRef(array));
    return array;
  }
}
