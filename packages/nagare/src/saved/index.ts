/** Files: saved models, checkpoints, safetensors. */
export { existingFolder, writeFileAtomically } from "./atomic.ts";
export {
  type Checkpoint,
  type CheckpointState,
  latestCheckpoint,
  readCheckpoint,
  type SkippedCheckpoint,
  saveCheckpoint,
} from "./checkpoint.ts";
export { readWhole } from "./files.ts";
export { Field, type Json } from "./json.ts";
export { LoadedModel, type Signature, type TensorSpec } from "./loadedModel.ts";
export {
  readSafetensors,
  readSafetensorsHeader,
  readSafetensorsWithMetadata,
  type SafetensorsEntry,
  type SafetensorsHeader,
  writeSafetensors,
  writeSafetensorsAsync,
} from "./safetensors.ts";
export { load, save } from "./savedModel.ts";
export type { InputSpec, Saveable, SaveOptions } from "./traceSaveable.ts";
