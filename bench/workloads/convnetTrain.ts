import * as ng from "nagare";
import { glorot, labelledBatch } from "../harness/index.ts";
import { trainStep } from "./trainStep.ts";
import type { Workload } from "./workload.ts";

const { nn } = ng;

/** Training of the network of the digits example, dropout included. */
export const convnetTrain: Workload = {
  name: "convnet_train_b128",
  about:
    "training step of conv 32, pool, conv 64, pool, dropout, dense 10 on 28×28×1 images with Adam, batch 128",
  unit: "ms",
  // Dropout draws differently in every framework.
  check: { kind: "losses", sameSteps: 1, tolerance: 0.1 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([128, 28, 28, 1], 30),
    kernel1: glorot([3, 3, 1, 32], 40),
    kernel2: glorot([3, 3, 32, 64], 41),
    kernel3: glorot([1600, 10], 42),
  }),
  prepare(inputs) {
    const model = nn.sequential([
      nn.conv2d({ filters: 32, kernelSize: 3, activation: "relu" }),
      nn.maxPooling2d({ poolSize: 2 }),
      nn.conv2d({ filters: 64, kernelSize: 3, activation: "relu" }),
      nn.maxPooling2d({ poolSize: 2 }),
      nn.flatten(),
      nn.dropout({ rate: 0.5 }),
      nn.dense({ units: 10 }),
    ]);
    return trainStep(model, inputs);
  },
};
