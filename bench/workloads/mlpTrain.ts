import * as ng from "nagare";
import { glorot, labelledBatch } from "../harness/index.ts";
import { trainStep } from "./trainStep.ts";
import type { Workload } from "./workload.ts";

const { nn } = ng;

/** Training of a small network: products of middling size, and Adam over 535,818 parameters. */
export const mlpTrain: Workload = {
  name: "mlp_train_b128",
  about: "training step of a 784-512-256-10 network with Adam, batch 128",
  unit: "ms",
  check: { kind: "losses", sameSteps: 5, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([128, 784], 10),
    kernel1: glorot([784, 512], 20),
    kernel2: glorot([512, 256], 21),
    kernel3: glorot([256, 10], 22),
  }),
  prepare(inputs) {
    const model = nn.sequential([
      nn.dense({ units: 512, activation: "relu" }),
      nn.dense({ units: 256, activation: "relu" }),
      nn.dense({ units: 10 }),
    ]);
    return trainStep(model, inputs);
  },
};
