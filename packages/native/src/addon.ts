/** The compiled addon: finding it, and what it offers. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { NagareError, type Roofline, type TypedArray } from "nagare/backend";

/** A program that the engine holds; freed with the handle. */
export type ProgramHandle = { readonly program: unique symbol };

/** The functions of the addon. All of them check their arguments. */
export interface Addon {
  createProgram(
    code: Int32Array,
    constants: readonly TypedArray[],
    externals: number,
    arenaBytes: number,
  ): ProgramHandle;
  /** How many bytes a program uses of the memory of that number. */
  memoryBytes(program: ProgramHandle, index: number): number;
  run(program: ProgramHandle, ...memories: readonly TypedArray[]): void;
  /**
   * As `run`; `times` has two elements for each instruction and receives when it started and ended, in milliseconds of
   * `now`. Instructions that did not run leave theirs as they are. What is longer holds as much again for each of some
   * threads, instruction by instruction: when the thread was at work on it.
   */
  runTimed(times: Float64Array, program: ProgramHandle, ...memories: readonly TypedArray[]): void;
  /** The number of the run, for `wait`, and a promise of its end. */
  runAsync(
    program: ProgramHandle,
    memories: readonly TypedArray[],
    times?: Float64Array,
  ): [number: number, done: Promise<void>];
  now(): number;
  wait(number: number): void;
  /** Codes by name. */
  ops(): {
    readonly instructions: Readonly<Record<string, number>>;
    readonly scalars: Readonly<Record<string, number>>;
    readonly reductions: Readonly<Record<string, number>>;
    /** Which scalar operations give bool whatever they read. */
    readonly givesBool: Readonly<Record<string, boolean>>;
  };
  /**
   * The layout in which the filters of a convolution are worth having in advance, as an instruction has it; 0: as they lie.
   * `convolution` holds the dtype and the sizes that its instruction begins with.
   */
  filterLayout(convolution: Int32Array): number;
  isa(): string;
  threads(): number;
  setThreads(count: number): void;
  /** The same, unless the number of threads of this process was set before. */
  setDefaultThreads(count: number): void;
  workingBytes(): number;
  /** As in `Reachability`. */
  watch(array: TypedArray, number: number): void;
  collected(all: boolean, numbers: Int32Array): number;
  place(array: Uint8Array, alignment: number): number;
  /** Measures the peaks, operations and bytes a second, with one thread and with all. */
  roofline(): Roofline;
}

/** Where the addon may be: as built in a checkout, where `prebuilds` may be older, or as published. */
function candidates(): string[] {
  const platform = `${process.platform}-${process.arch}`;
  return ["build", "prebuilds"].map((folder) =>
    fileURLToPath(new URL(`../${folder}/${platform}/nagare.node`, import.meta.url)),
  );
}

/**
 * Loads the addon: the file that NAGARE_NATIVE_FILE names (such as one built with `--sanitize`), or the one beside this
 * package. Throws NagareError with the reason when it is refused (NAGARE_NATIVE=off), missing, or does not work on this
 * machine.
 */
export function loadAddon(): Addon {
  if (process.env.NAGARE_NATIVE === "off") throw new NagareError("it is switched off by NAGARE_NATIVE=off");
  const override = process.env.NAGARE_NATIVE_FILE;
  const file = override ?? candidates().find((candidate) => existsSync(candidate));
  if (file === undefined) {
    throw new NagareError(
      `there is no engine for ${process.platform}-${process.arch}; in a checkout, \`npm run build\` compiles it with the system's C++ compiler`,
    );
  }
  try {
    const addon = createRequire(import.meta.url)(file) as Addon;
    if (typeof addon.createProgram !== "function") throw new TypeError("it is another module");
    return addon;
  } catch (error) {
    // Node adds a list of who asked for the module.
    const [reason] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new NagareError(`${file} does not load: ${reason}`, { cause: error });
  }
}
