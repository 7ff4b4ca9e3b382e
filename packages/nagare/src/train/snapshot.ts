/** The whole state of a training run, for checkpoints: resuming from it gives the same numbers, bit for bit. */
import { FormatError, sameShape, type Tensor } from "../core/index.ts";
import { type Checkpoint, Field, type Json, saveCheckpoint } from "../saved/index.ts";
import type { AverageState, Logs } from "./averages.ts";
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
  readonly averages: AverageState;
  /** The figures of the finished epochs. */
  readonly history: readonly Logs[];
  /** Whether a callback ended the run. */
  readonly stopped: boolean;
}

/** Figures as text, because JSON has neither NaN nor infinity. */
function logsToJson(logs: Logs): Json {
  return Object.fromEntries(Object.entries(logs).map(([name, value]) => [name, String(value)]));
}

function logsFromJson(field: Field): Logs {
  return Object.fromEntries(field.members().map(([name, value]) => [name, Number(value.string())]));
}

function positionToJson({ averages, history, stopped, ...counts }: Position): {
  readonly [key: string]: Json;
} {
  return {
    ...counts,
    averages: { examples: averages.examples, sums: logsToJson(averages.sums) },
    history: history.map(logsToJson),
    stopped,
  };
}

function positionFromJson(field: Field): Position {
  const averages = field.get("averages");
  const stopped = field.get("stopped");
  if (typeof stopped.value !== "boolean") stopped.fail("true or false");
  return {
    epoch: field.get("epoch").count(),
    batch: field.get("batch").count(),
    steps: field.get("steps").count(),
    averages: { examples: averages.get("examples").count(), sums: logsFromJson(averages.get("sums")) },
    history: field.get("history").elements().map(logsFromJson),
    stopped: stopped.value === true,
  };
}

interface NamedCallback {
  readonly key: string;
  readonly callback: Callback;
}

/** Callbacks keep their state under their name; a second one of that name under "name 2" and so on. */
function namedCallbacks(callbacks: readonly Callback[]): NamedCallback[] {
  const seen = new Map<string, number>();
  return callbacks.flatMap((callback) => {
    const { name } = callback;
    if (name === undefined || !callback.state) return [];
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return [{ key: count === 1 ? name : `${name} ${count}`, callback }];
  });
}

const callbackPrefix = "callback.";

/** Writes a checkpoint of the run. The tensors are those of this moment, whatever happens while the file is written. */
export async function writeSnapshot(
  folder: string,
  model: CompiledModel,
  position: Position,
  callbacks: readonly Callback[],
  keep: number,
): Promise<void> {
  const tensors = new Map<string, Tensor>();
  for (const [name, variable] of model.stateVariables()) tensors.set(name, variable.value);
  const states: Record<string, Json> = {};
  for (const { key, callback } of namedCallbacks(callbacks)) {
    states[key] = callback.state?.() ?? null;
    for (const [name, tensor] of callback.stateTensors?.() ?? []) {
      tensors.set(`${callbackPrefix}${key}.${name}`, tensor);
    }
  }
  const json = { ...positionToJson(position), callbacks: states };
  await saveCheckpoint(folder, { step: position.steps, tensors, json }, { keep });
}

/**
 * Puts a checkpoint's state back. The module must be built. Throws FormatError when it belongs to another model or is no
 * run's; then no variable has changed.
 */
export function restoreSnapshot(
  checkpoint: Checkpoint,
  model: CompiledModel,
  callbacks: readonly Callback[],
): Position {
  const state = model.stateVariables();
  const own = [...checkpoint.tensors.keys()].filter((name) => !name.startsWith(callbackPrefix));
  for (const name of new Set([...state.keys(), ...own])) {
    const [variable, tensor] = [state.get(name), checkpoint.tensors.get(name)];
    if (!variable || !tensor || !sameShape(variable.shape, tensor.shape) || variable.dtype !== tensor.dtype) {
      throw new FormatError(
        `${checkpoint.file}: expected the state of this model and optimizer; ${JSON.stringify(name)} ` +
          `${variable ? (tensor ? "has another shape or dtype" : "is missing") : "is not part of it"}. ` +
          "Use another folder for another model.",
      );
    }
  }
  const field = new Field(checkpoint.json, checkpoint.file);
  const position = positionFromJson(field);
  const states = new Map(field.get("callbacks").members());
  for (const { key, callback } of namedCallbacks(callbacks)) {
    const kept = states.get(key)?.value;
    if (kept === undefined) continue;
    const prefix = `${callbackPrefix}${key}.`;
    const tensors = [...checkpoint.tensors].filter(([name]) => name.startsWith(prefix));
    callback.restore?.(kept, new Map(tensors.map(([name, tensor]) => [name.slice(prefix.length), tensor])));
  }
  for (const [name, variable] of state) {
    const tensor = checkpoint.tensors.get(name);
    if (tensor) variable.assign(tensor);
  }
  return position;
}
