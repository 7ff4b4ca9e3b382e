import * as ng from "nagare";
import { glorot, uniform } from "../harness/index.ts";
import { imagesOf, inferLayer } from "./inferLayer.ts";
import type { Size, Workload } from "./workload.ts";

const sized = (channels: number, side: number, batch: number): Size => ({
  name: `dwconv3x3_${channels}_${side}_b${batch}`,
  about: `depthwise 3×3 convolution of ${imagesOf(side, batch)} of ${channels} channels, inference`,
  inputs: () => ({ x: uniform([batch, side, side, channels], 62), kernel: glorot([3, 3, channels, 1], 63) }),
});

/** A depthwise convolution of a MobileNetV2, for one image: the speed of memory, if the kernel lets it be seen. */
export const depthwiseConv: Workload = {
  ...sized(96, 112, 1),
  others: [sized(144, 56, 1), sized(384, 14, 1), sized(960, 7, 1), sized(30, 60, 4), sized(32, 112, 16)],
  unit: "ms",
  check: { kind: "values", tolerance: 1e-5 },
  peers: true,
  prepare: (inputs) => inferLayer(ng.nn.depthwiseConv2d({ kernelSize: 3, padding: "same" }), inputs),
};
