/** A workload as Nagare runs it. */
import type { Tensor } from "nagare";
import { glorot, type InputArray, type Parameters, type Task } from "../harness/index.ts";

/** What one size of a workload has of its own. */
export type Size = Pick<Task, "name" | "about" | "inputs" | "parameters">;

/** A task of the harness, with our own work. */
export interface Work extends Task {
  /** Sets the work up for inputs of any of its sizes; the returned function does what one timing covers. */
  prepare(inputs: Readonly<Record<string, Tensor>>, parameters: Parameters): () => Tensor;
}

/** One of the twelve workloads. */
export interface Workload extends Work {
  /** Other sizes of it, which the sweep `sizes` measures. */
  readonly others: readonly Size[];
}

/** Initial kernels of these shapes as the inputs kernel{first}, kernel{first + 1} …; each has a seed of its own. */
export function initialKernels(
  shapes: readonly (readonly number[])[],
  seed: number,
  first = 1,
): Record<string, InputArray> {
  return Object.fromEntries(shapes.map((shape, i) => [`kernel${first + i}`, glorot(shape, seed + i)]));
}

/** An input by name. */
export function input(inputs: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = inputs[name];
  if (!tensor)
    throw new Error(`expected an input ${name}; received ${Object.keys(inputs).join(", ") || "none"}.`);
  return tensor;
}

/** The inputs kernel1, kernel2 …, in order. */
export function kernelsOf(inputs: Readonly<Record<string, Tensor>>): Tensor[] {
  const count = Object.keys(inputs).filter((name) => name.startsWith("kernel")).length;
  return Array.from({ length: count }, (_, index) => input(inputs, `kernel${index + 1}`));
}

/** An input's dimension, counted from the last where `axis` is negative. */
export function dimension(tensor: Tensor, axis: number): number {
  const size = tensor.shape.at(axis);
  if (typeof size !== "number") throw new Error(`expected an axis ${axis} in [${tensor.shape.join(", ")}].`);
  return size;
}
