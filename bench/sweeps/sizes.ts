import { workloads } from "../workloads/index.ts";
import type { Sweep } from "./sweep.ts";

/** The workloads at other sizes: what is done for one shape shall not be undone for its neighbours. */
export const sizes: Sweep = {
  name: "sizes",
  about: "the workloads with other batches, widths and lengths",
  tasks: workloads.flatMap((workload) =>
    workload.others.map((size) => ({ ...workload, ...size, work: workload.name })),
  ),
};
