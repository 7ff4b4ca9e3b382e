import { nets as tasks } from "../nets/index.ts";
import type { Sweep } from "./sweep.ts";

/** Other networks than the workloads': what is done for twelve shall hold for what people build of the same layers. */
export const nets: Sweep = {
  name: "nets",
  about: "other networks: training steps and inference",
  tasks,
};
