/** The whole state of a training run, for checkpoints: resuming from it gives the same numbers, bit for bit. */
import { FormatError, sameShape, type Tensor } from "../core/index.ts";
import { generatorState } from "../random/index.ts";
import type { Variable } from "../runtime/index.ts";
import { type Checkpoint, type Json, saveCheckpoint } from "../saved/index.ts";
import type { Logs } from "./averages.ts";
import type { Callback } from "./callback.ts";
import type { CompiledModel } from "./model.ts";

/** Where a run is, beside its tensors. */
export interface Position {
  /** The epoch in progress, counted from 0. */
  readonly epoch: number;
  /** Batches of it that are done. */
  readonly batch: number;
  /** Updates done in all. */
  readonly steps: number;
  /** Sums of the epoch in progress. */
  readonly averages: { readonly examples: number; readonly sums: Logs };
  /** The figures of the finished epochs. */
  readonly history: readonly Logs[];
  /** Whether a callback ended the run. */
  readonly stopped: boolean;
}

/** Every variable of a run by the name it has in checkpoints. */
function stateVariables(model: CompiledModel): Map<string, Variable> {
  const named = model.module.namedVariables();
  const state = new Map<string, Variable>([["generator", generatorState()]]);
  for (const { path, variable } of named) state.set(`module.${path}`, variable);
  const trainable = named.filter(({ variable }) => variable.trainable);
  for (const [name, variable] of model.optimizer.stateFor(trainable))
    state.set(`optimizer.${name}`, variable);
  return state;
}

/** Callbacks keep their state under their name. */
function callbackStates(callbacks: readonly Callback[]): Record<string, Json> {
  const named = callbacks.flatMap((callback) =>
    callback.name && callback.state ? [[callback.name, callback.state()] as const] : [],
  );
  return Object.fromEntries(named);
}

function callbackPrefix(callback: Callback): string {
  return `callback.${callback.name}.`;
}

/** Writes a checkpoint of the run. The tensors are those of this moment, whatever happens while the file is written. */
export async function writeSnapshot(
  folder: string,
  model: CompiledModel,
  position: Position,
  callbacks: readonly Callback[],
  keep: number,
): Promise<void> {
  const tensors = new Map<string, Tensor>(
    [...stateVariables(model)].map(([name, variable]) => [name, variable.value]),
  );
  for (const callback of callbacks) {
    for (const [name, tensor] of callback.stateTensors?.() ?? [])
      tensors.set(`${callbackPrefix(callback)}${name}`, tensor);
  }
  const json = { ...position, callbacks: callbackStates(callbacks) } as unknown as Json;
  await saveCheckpoint(folder, { step: position.steps, tensors, json }, { keep });
}

/**
 * Puts a checkpoint's state back. The module must be built. Throws FormatError when it belongs to another model; then
 * nothing has changed.
 */
export function restoreSnapshot(
  checkpoint: Checkpoint,
  model: CompiledModel,
  callbacks: readonly Callback[],
): Position {
  const state = stateVariables(model);
  const own = [...checkpoint.tensors.keys()].filter((name) => !name.startsWith("callback."));
  const names = new Set([...state.keys(), ...own]);
  for (const name of names) {
    const [variable, tensor] = [state.get(name), checkpoint.tensors.get(name)];
    if (!variable || !tensor || !sameShape(variable.shape, tensor.shape) || variable.dtype !== tensor.dtype) {
      throw new FormatError(
        `${checkpoint.file}: expected the state of this model and optimizer; ${JSON.stringify(name)} ` +
          `${variable ? (tensor ? "has another shape or dtype" : "is missing") : "is not part of it"}. Use another folder for another model.`,
      );
    }
  }
  const position = readPosition(checkpoint);
  for (const [name, variable] of state) {
    const tensor = checkpoint.tensors.get(name);
    if (tensor) variable.assign(tensor);
  }
  const states = (checkpoint.json as { callbacks?: Record<string, Json> }).callbacks ?? {};
  for (const callback of callbacks) {
    const kept = callback.name === undefined ? undefined : states[callback.name];
    if (kept === undefined) continue;
    const prefix = callbackPrefix(callback);
    const tensors = [...checkpoint.tensors].filter(([name]) => name.startsWith(prefix));
    callback.restore?.(kept, new Map(tensors.map(([name, tensor]) => [name.slice(prefix.length), tensor])));
  }
  return position;
}

function readPosition({ json, file }: Checkpoint): Position {
  const position = json as unknown as Partial<Position> | null;
  const counts = [position?.epoch, position?.batch, position?.steps, position?.averages?.examples];
  const valid =
    counts.every((count) => Number.isSafeInteger(count) && Number(count) >= 0) &&
    typeof position?.averages?.sums === "object" &&
    Array.isArray(position?.history);
  if (!valid)
    throw new FormatError(
      `${file}: expected the position of a training run; received ${JSON.stringify(json).slice(0, 200)}.`,
    );
  return position as Position;
}
