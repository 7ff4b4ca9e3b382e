import * as ng from "nagare";
import { glorot, uniform } from "../harness/index.ts";
import { input } from "../workloads/workload.ts";
import { type ConvShape, convShapes } from "./convShapes.ts";
import { count, type Sweep } from "./sweep.ts";

function nameOf({ size, inputs, outputs, kernel, stride = 1, depthwise }: ConvShape): string {
  const channels = depthwise ? `${inputs}` : `${inputs}_${outputs}`;
  return `${depthwise ? "dw" : ""}conv${kernel}x${kernel}_${size}_${channels}${stride > 1 ? `_s${stride}` : ""}`;
}

/** Convolutions of one float32 image at inference, without bias. */
export const conv: Sweep = {
  name: "conv",
  about: "convolutions of ResNet-50 and MobileNetV2 at batch 1: kernel, image size, channels, stride",
  tasks: convShapes.map((shape, index) => {
    const { size, inputs, outputs, kernel, stride = 1, depthwise } = shape;
    const groups = depthwise ? inputs : 1;
    const result = Math.ceil(size / stride);
    return {
      name: nameOf(shape),
      work: "conv",
      parameters: { stride, groups, padding: kernel >> 1 },
      about: `${kernel}×${kernel} convolution of a ${size}×${size} image from ${inputs} to ${outputs} channels`,
      unit: "ms",
      check: { kind: "values", tolerance: 1e-4 },
      peers: true,
      flops: (2 * result * result * outputs * kernel * kernel * inputs) / groups,
      inputs: () => ({
        x: uniform([1, size, size, inputs], 3000 + index),
        kernel: glorot([kernel, kernel, inputs / groups, outputs], 4000 + index),
      }),
    };
  }),
  prepare(inputs, parameters) {
    const x = input(inputs, "x");
    // Weights of a model at inference are variables.
    const kernel = ng.variable(input(inputs, "kernel"));
    const cells = count(parameters, "padding");
    const options = {
      strides: count(parameters, "stride"),
      groups: count(parameters, "groups"),
      padding: [cells, cells, cells, cells] as const,
    };
    const infer = ng.jit((x: ng.Tensor) => ng.conv2d(x, kernel.value, options));
    return () => infer(x);
  },
};
