import * as ng from "nagare";
import { glorot, uniform } from "../harness/index.ts";
import { inferLayer } from "./inferLayer.ts";
import type { Workload } from "./workload.ts";

/** A convolution in the middle of a ResNet-50, for one image. */
export const conv3x3: Workload = {
  name: "conv3x3_64_56_b1",
  about: "3×3 convolution of one 56×56 image from 64 to 64 channels, inference",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({ x: uniform([1, 56, 56, 64], 60), kernel: glorot([3, 3, 64, 64], 61) }),
  prepare: (inputs) => inferLayer(ng.nn.conv2d({ filters: 64, kernelSize: 3, padding: "same" }), inputs),
};
