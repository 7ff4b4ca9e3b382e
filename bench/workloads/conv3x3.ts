import * as ng from "nagare";
import { glorot, uniform } from "../harness/index.ts";
import { imagesOf, inferLayer } from "./inferLayer.ts";
import { dimension, input, type Size, type Workload } from "./workload.ts";

const sized = (channels: number, side: number, batch: number, filters = channels): Size => ({
  name: `conv3x3_${filters === channels ? "" : `${channels}to`}${filters}_${side}_b${batch}`,
  about: `3×3 convolution of ${imagesOf(side, batch)} from ${channels} to ${filters} channels, inference`,
  inputs: () => ({
    x: uniform([batch, side, side, channels], 60),
    kernel: glorot([3, 3, channels, filters], 61),
  }),
});

/** A convolution in the middle of a ResNet-50, for one image. */
export const conv3x3: Workload = {
  ...sized(64, 56, 1),
  others: [
    sized(128, 28, 1),
    sized(512, 7, 1),
    sized(32, 100, 1),
    sized(64, 56, 8),
    sized(256, 14, 32),
    sized(16, 32, 16, 24),
    sized(3, 224, 4, 64),
  ],
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  prepare(inputs) {
    const filters = dimension(input(inputs, "kernel"), -1);
    return inferLayer(ng.nn.conv2d({ filters, kernelSize: 3, padding: "same" }), inputs);
  },
};
