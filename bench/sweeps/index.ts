/** The sweeps, by the names that `--sweep` takes. */
import { conv } from "./conv.ts";
import { gemm } from "./gemm.ts";
import { memory } from "./memory.ts";
import { nets } from "./nets.ts";
import { ops } from "./ops.ts";
import { sizes } from "./sizes.ts";
import type { Sweep } from "./sweep.ts";

export const sweeps: readonly Sweep[] = [gemm, conv, memory, ops, sizes, nets];
