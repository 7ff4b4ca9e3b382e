/** A sweep: one operation over many shapes. */
import type { Tensor } from "nagare";
import type { Parameters, Task } from "../harness/index.ts";

/** Tasks that share their work; what distinguishes them is in their arrays and parameters. */
export interface Sweep {
  readonly name: string;
  readonly about: string;
  /** `work` of each is the sweep's name, or a workload's. */
  readonly tasks: readonly Task[];
  /** Tasks of at least so many operations are measured on one thread of ours, too. */
  readonly aloneFromFlops?: number;
  /** Nagare's work, as a workload's; absent where the work is workloads'. */
  prepare?(inputs: Readonly<Record<string, Tensor>>, parameters: Parameters): () => Tensor;
}

function parameter(parameters: Parameters, name: string): number | boolean | string {
  const value = parameters[name];
  if (value === undefined)
    throw new Error(
      `expected a parameter ${name}; received ${Object.keys(parameters).join(", ") || "none"}.`,
    );
  return value;
}

/** A parameter that is a flag. */
export function flag(parameters: Parameters, name: string): boolean {
  return Boolean(parameter(parameters, name));
}

/** A parameter that is a word. */
export function word(parameters: Parameters, name: string): string {
  return String(parameter(parameters, name));
}

/** A parameter that is a number. */
export function count(parameters: Parameters, name: string): number {
  return Number(parameter(parameters, name));
}
