/** Nagare's face: everything a user imports, and the one place that names backends. */
import { ones } from "./array/index.ts";
import { ReferenceBackend } from "./backends/reference/index.ts";
import type { Tensor } from "./core/index.ts";
import { type Backend, registerBackend, warmUps } from "./runtime/index.ts";
import { jit } from "./transforms/index.ts";

interface NodeModule {
  createRequire(url: string): (specifier: string) => unknown;
}

/** The native engine is a package of its own, loaded when the first operation runs. */
function loadNative(): Backend {
  const engine = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const module = engine.process?.getBuiltinModule?.("node:module") as NodeModule | undefined;
  if (!module) throw new Error("it needs Node.js 22.12 or later");
  const native = module.createRequire(import.meta.url)("@nagare/native") as { createBackend(): Backend };
  return native.createBackend();
}

registerBackend("native", loadNative);
registerBackend("reference", () => new ReferenceBackend());

/** As large as results must be to come out of the pool. */
const pooled = (): Tensor => ones([1024]);
warmUps.operations.by(() => {
  const x = pooled();
  const square = x.reshape([32, 32]);
  return () => {
    x.add(x);
    square.matmul(square);
  };
});
warmUps.programs.by(() => {
  const x = pooled();
  const double = jit((x: Tensor) => x.add(x));
  return () => double(x);
});

export * from "./array/index.ts";
export type {
  Aval,
  Dim,
  DType,
  ElementOf,
  FloatDType,
  Leaf,
  Nested,
  ReadableArray,
  Shape,
  TensorHolder,
  TensorLike,
  TreeNode,
  TypedArray,
} from "./core/index.ts";
export {
  DTypeError,
  dim,
  dtypes,
  FormatError,
  NagareError,
  ShapeError,
  Tensor,
  TracerError,
  treeChildren,
  UnsupportedError,
  ValueError,
} from "./core/index.ts";
export * as data from "./data/index.ts";
export * as nn from "./nn/index.ts";
export { primitives } from "./ops/index.ts";
export * as optim from "./optim/index.ts";
export * as random from "./random/index.ts";
export type {
  Backend,
  ChromeTrace,
  Executable,
  MemoryInfo,
  Profile,
  Profiled,
  ProfileRow,
  TraceEvent,
  VariableOptions,
} from "./runtime/index.ts";
export {
  backend,
  backendNames,
  memory,
  optionalPasses,
  profile,
  resetPeakMemory,
  setBackend,
  setThreads,
  threads,
  Variable,
  variable,
  withoutPasses,
} from "./runtime/index.ts";
export type { Checkpoint, CheckpointState, Signature, TensorSpec } from "./saved/index.ts";
export {
  LoadedModel,
  latestCheckpoint,
  load,
  readCheckpoint,
  readSafetensors,
  save,
  saveCheckpoint,
  writeSafetensors,
} from "./saved/index.ts";
export * as train from "./train/index.ts";
export * from "./transforms/index.ts";
