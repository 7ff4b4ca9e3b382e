/** Programs as the backend hands them to the engine: what compiled them, and memories that they can run on. */
import { type Addon, loadAddon, NativeBackend, type ProgramHandle } from "@nagare/native";
import * as ng from "nagare";
import { type Backend, loadBackend, registerBackend, setBackend, type TypedArray } from "nagare/backend";
import { passFirstRuns } from "../generator/backends.ts";
import { apply } from "../generator/cases.ts";
import { sampleCases, trainConvolutions } from "./engineRuns.ts";

export const addon: Addon = loadAddon();
passFirstRuns();

/** The arguments of `createProgram`, and the memories of the program's first run. */
export interface RecordedProgram {
  readonly code: Int32Array;
  readonly constants: readonly TypedArray[];
  readonly externals: number;
  readonly arenaBytes: number;
  readonly memories: readonly TypedArray[];
}

let recordings = 0;

/** What the backend compiles and runs while `work` is done. */
export async function recordPrograms(work: (backend: Backend) => unknown): Promise<RecordedProgram[]> {
  const created = new Map<ProgramHandle, Omit<RecordedProgram, "memories">>();
  const recorded = new Map<ProgramHandle, RecordedProgram>();
  const keep = (program: ProgramHandle, memories: readonly TypedArray[]): void => {
    const parts = created.get(program);
    if (parts && !recorded.has(program))
      recorded.set(program, { ...parts, memories: memories.map((memory) => memory.slice()) });
  };
  const recording: Addon = {
    ...addon,
    createProgram(code, constants, externals, arenaBytes) {
      const program = addon.createProgram(code, constants, externals, arenaBytes);
      created.set(program, { code, constants: constants.map((c) => c.slice()), externals, arenaBytes });
      return program;
    },
    run(program, ...memories) {
      keep(program, memories);
      addon.run(program, ...memories);
    },
    runAsync(program, memories) {
      keep(program, memories);
      return addon.runAsync(program, memories);
    },
  };
  const name = `recording ${++recordings}`;
  registerBackend(name, () => new NativeBackend(recording));
  setBackend(name);
  try {
    await work(loadBackend(name));
  } finally {
    setBackend("native");
  }
  return [...recorded.values()];
}

/** The programs of all samples, compiled, of products and convolutions by a constant, and of training a convolutional network. */
export function everyProgram(): Promise<RecordedProgram[]> {
  return recordPrograms(async () => {
    for (const test of sampleCases()) ng.jit((...xs: ng.Tensor[]) => apply(test, xs))(...test.inputs);
    const factor = ng.full([256, 80], 0.5);
    ng.jit((x: ng.Tensor) => x.matmul(factor))(ng.ones([3, 256]));
    // In panels, and at Winograd's points.
    const filters = ng.full([3, 3, 40, 64], 0.5);
    for (const [strides, size] of [
      [2, 9],
      [1, 12],
    ] as const)
      ng.jit((x: ng.Tensor) => ng.conv2d(x, filters, { strides }))(ng.ones([1, size, size, 40]));
    await trainConvolutions(2);
  });
}
