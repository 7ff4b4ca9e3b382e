/** What a backend is: it runs one operation at once, and it compiles graphs. */
import type { Aval, ConcreteTensor, Pending, Storage } from "../core/index.ts";
import type { Graph, Node } from "../ir/index.ts";
import type { Params, Primitive } from "../ops/index.ts";
import type { Reachability } from "./reachability.ts";

/** The storages a run has written, or is writing until `pending` is over. */
export interface RunResult {
  readonly outputs: Storage[];
  readonly pending?: Pending;
}

/** A compiled graph. */
export interface Executable {
  /**
   * Runs to the end. `reuse[i]`, where present, is storage of the right size that output i may be written over: the
   * graph's aliased input, which nobody else reads any more. A backend may ignore it and return fresh storage.
   */
  run(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Storage[];
  /** Starts a run off the event loop. Without it, `run` is used. */
  runAsync?(inputs: readonly Storage[], reuse: readonly (Storage | undefined)[]): Required<RunResult>;
  /** What the executable will do, for printing; one line an instruction. */
  describe?(): string;
  /** Bytes of the arena its intermediate values need; absent where there is none. */
  readonly arenaBytes?: number;
  /** The most bytes of intermediate values that are alive at once: no arena is smaller. */
  readonly lowerBoundBytes?: number;
  /** Bytes of constants in the layouts that kernels want, beside the constants themselves; programs with the same constants share them. */
  readonly preparedBytes?: number;
}

/**
 * Receives when the kernels of one run were at work: of `nodes[i]` from `times[2·i]` to `times[2·i + 1]`, in milliseconds
 * as of performance.now(). A node carried out in several steps stands there once for each; what did not run has zeros. Behind
 * them may come the same for each thread: when thread t was at work on `nodes[i]`, at 2·(nodes.length + i·threads + t).
 */
export type KernelObserver = (nodes: readonly Node[], times: Float64Array) => void;

/** The measured peaks of a device with one thread and with those in use. A byte that is copied counts as two. */
export interface Roofline {
  /** float32 operations a second, where a multiplication and the addition of its product are two. */
  readonly flopsOneThread: number;
  readonly flops: number;
  /** Bytes a second when memory beyond the caches is copied. */
  readonly bytesOneThread: number;
  readonly bytes: number;
}

/** Runs one operation on concrete operands of a backend's device: those shapes and dtypes for which it was prepared. */
export type PreparedCall = (operands: readonly ConcreteTensor[]) => Storage[];

/** A device's implementation of the operations. */
export interface Backend {
  readonly name: string;
  /** One line about the hardware it found, for `nagare devices`. */
  readonly description: string;
  /** The processor's instruction set that its kernels use, such as "avx2". Absent where they are not compiled for one. */
  readonly instructionSet?: string;
  /** What runs one operation on operands of these shapes and dtypes. `outputs` are the results'. Such calls are kept. */
  prepare(op: Primitive, inputs: readonly Aval[], params: Params, outputs: readonly Aval[]): PreparedCall;
  /**
   * Whether there is a kernel for a fused operation on such operands; for those without one, `prepare` and `compile` see
   * the decomposition. Absent: there is none for any.
   */
  hasKernel?(op: Primitive, inputs: readonly Aval[], params: Params): boolean;
  /** Compiles a graph whose dimensions are all numbers. */
  compile(graph: Graph): Executable;
  /** Bytes the backend holds now for intermediate values and its kernels' workspace. Absent where it holds none. */
  workingBytes?(): number;
  /** Tells of arrays that nothing refers to any more, so that their memory is used again. Absent where it cannot. */
  readonly reachability?: Reachability;
  /** From now on tells the observer of every run at its end; undefined ends that. Absent where kernels cannot be timed. */
  observe?(observer: KernelObserver | undefined): void;
  /**
   * The device's peaks. The first call measures them, in some tenths of a second, as does every one with `again`: other work on
   * the machine changes them. Absent where there is nothing to measure.
   */
  roofline?(options?: { readonly again?: boolean }): Roofline;
  /** Backend-specific settings such as the number of threads; absent where there are none. */
  readonly threads?: { get(): number; set(count: number): void };
}
