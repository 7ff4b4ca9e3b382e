/** What a workload is: the same arrays for every party, the work that one timing covers, and how results are compared. */

/** An array as the parties exchange it: row-major, float32 or int32. */
export interface InputArray<A extends Float32Array | Int32Array = Float32Array | Int32Array> {
  readonly shape: readonly number[];
  readonly data: A;
}

/** How a party's results are compared with ours before its time counts. */
export type Check =
  /** Every element of the output agrees to `tolerance` times our largest magnitude. */
  | { readonly kind: "values"; readonly tolerance: number }
  /** The losses of the first `sameSteps` training steps agree to `tolerance`, relatively; later the loss falls. */
  | { readonly kind: "losses"; readonly sameSteps: number; readonly tolerance: number }
  /** There is no result: the work is the call. */
  | { readonly kind: "none" };

/** What a task tells its work beside the arrays. */
export type Parameters = Readonly<Record<string, number | boolean | string>>;

/** What the harness knows of a workload; the work itself is each party's own. */
export interface Task {
  readonly name: string;
  /** What one timing covers. */
  readonly about: string;
  /** "us" where one timing covers 1,000 calls, so that its milliseconds are microseconds per call. */
  readonly unit: "ms" | "us";
  readonly check: Check;
  /** Whether peers have a counterpart. */
  readonly peers: boolean;
  /** The parties' name for the work, where several tasks share it; default: the task's own. */
  readonly work?: string;
  readonly parameters?: Parameters;
  /** Arithmetic of one timing, for figures per second. */
  readonly flops?: number;
  /** Bytes read and written in one timing, where memory and not arithmetic is what is measured. */
  readonly bytes?: number;
  /** The arrays that every party computes with. */
  inputs(): Readonly<Record<string, InputArray>>;
}
