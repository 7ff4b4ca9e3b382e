import * as ng from "nagare";
import { glorot, labelledBatch } from "../harness/index.ts";
import { trainStep } from "./compiled.ts";
import { dimension, kernelsOf, type Size, type Workload } from "./workload.ts";

const { nn } = ng;

/** Cells along an image's side after a 3×3 convolution without padding and a pooling of 2×2. */
const pooled = (cells: number): number => Math.floor((cells - 2) / 2);

function sized(batch: number, side: number, channels: number, filters: readonly [number, number]): Size {
  const [first, second] = filters;
  return {
    name: `convnet_train_b${batch}`,
    about: `training step of conv ${first}, pool, conv ${second}, pool, dropout, dense 10 on ${side}×${side}×${channels} images with Adam, batch ${batch}`,
    inputs: () => ({
      ...labelledBatch([batch, side, side, channels], 30),
      kernel1: glorot([3, 3, channels, first], 40),
      kernel2: glorot([3, 3, first, second], 41),
      kernel3: glorot([pooled(pooled(side)) ** 2 * second, 10], 42),
    }),
  };
}

/** Training of the network of the digits example, dropout included. */
export const convnetTrain: Workload = {
  ...sized(128, 28, 1, [32, 64]),
  others: [
    sized(16, 28, 1, [32, 64]),
    sized(32, 28, 1, [8, 16]),
    { ...sized(64, 32, 3, [64, 128]), name: "convnet_train_wide_b64" },
    { ...sized(8, 96, 3, [32, 64]), name: "convnet_train_large_b8" },
  ],
  unit: "ms",
  // Dropout draws differently in every framework.
  check: { kind: "losses", sameSteps: 1, tolerance: 0.1 },
  peers: true,
  prepare(inputs) {
    const convolutions = kernelsOf(inputs).slice(0, -1);
    const model = nn.sequential([
      ...convolutions.flatMap((kernel) => [
        nn.conv2d({ filters: dimension(kernel, -1), kernelSize: 3, activation: "relu" }),
        nn.maxPooling2d({ poolSize: 2 }),
      ]),
      nn.flatten(),
      nn.dropout({ rate: 0.5 }),
      nn.dense({ units: 10 }),
    ]);
    return trainStep(model, inputs);
  },
};
