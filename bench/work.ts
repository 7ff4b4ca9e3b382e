/** Our own work, by the name that tasks have for it. */
import { type Tensor, tensor } from "nagare";
import type { InputArray, Parameters, Task } from "./harness/index.ts";
import { nets } from "./nets/index.ts";
import { sweeps } from "./sweeps/index.ts";
import { workloads } from "./workloads/index.ts";

/** Sets the work up for a task's inputs; the returned function does what one timing covers. */
export type Prepare = (inputs: Readonly<Record<string, Tensor>>, parameters: Parameters) => () => Tensor;

/** A workload's, a net's, or a sweep's. */
export function workNamed(name: string): Prepare | undefined {
  return [...workloads, ...nets, ...sweeps].find((one) => one.name === name)?.prepare;
}

/** That of a task; throws where there is none. */
export function workOf({ name, work = name }: Task): Prepare {
  const prepare = workNamed(work);
  if (!prepare)
    throw new Error(`expected a workload, a net or a sweep with work of its own; received ${work}.`);
  return prepare;
}

/** A task's arrays as tensors. */
export function tensorsOf(arrays: Readonly<Record<string, InputArray>>): Record<string, Tensor> {
  const named = Object.entries(arrays).map(([name, { shape, data }]) => [name, tensor(data, { shape })]);
  return Object.fromEntries(named);
}
