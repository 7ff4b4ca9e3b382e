/** A workload as Nagare runs it. */
import type { Tensor } from "nagare";
import type { Task } from "../harness/index.ts";

/** A task of the harness, with our own work. */
export interface Workload extends Task {
  /** Sets the work up for inputs of the task; the returned function does what one timing covers. */
  prepare(inputs: Readonly<Record<string, Tensor>>): () => Tensor;
}

/** An input by name. */
export function input(inputs: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = inputs[name];
  if (!tensor)
    throw new Error(`expected an input ${name}; received ${Object.keys(inputs).join(", ") || "none"}.`);
  return tensor;
}
