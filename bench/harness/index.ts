/** The harness: parties that time the same workloads in turns. */
export * from "./agreement.ts";
export * from "./arguments.ts";
export * from "./baseline.ts";
export * from "./chart.ts";
export * from "./exchange.ts";
export * from "./inputs.ts";
export * from "./measure.ts";
export * from "./party.ts";
export * from "./peers.ts";
export * from "./report.ts";
export * from "./serve.ts";
export * from "./workload.ts";
