import * as ng from "nagare";
import { glorot, uniform } from "../harness/index.ts";
import { inferLayer } from "./inferLayer.ts";
import type { Workload } from "./workload.ts";

/** A depthwise convolution of a MobileNetV2, for one image: the speed of memory, if the kernel lets it be seen. */
export const depthwiseConv: Workload = {
  name: "dwconv3x3_96_112_b1",
  about: "depthwise 3×3 convolution of one 112×112 image of 96 channels, inference",
  unit: "ms",
  check: { kind: "values", tolerance: 1e-5 },
  peers: true,
  inputs: () => ({ x: uniform([1, 112, 112, 96], 62), kernel: glorot([3, 3, 96, 1], 63) }),
  prepare: (inputs) => inferLayer(ng.nn.depthwiseConv2d({ kernelSize: 3, padding: "same" }), inputs),
};
