import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { inferModel } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, code, side] = [16, 100, 4];
/** Channels of the images on their way from 4×4 to 32×32. */
const channels = [256, 128, 64, 3] as const;

/** From numbers to images by transposed convolutions (Radford et al. 2016). */
function generator(): ng.nn.Module {
  const [first, ...later] = channels;
  const [last, ...middle] = later.toReversed();
  const enlarge = (filters: number, activation: "relu" | "tanh") =>
    nn.conv2dTranspose({ filters, kernelSize: 4, strides: 2, padding: "same", activation });
  return nn.sequential([
    nn.dense({ units: side * side * first, activation: "relu" }),
    new Images(),
    ...middle.toReversed().map((filters) => enlarge(filters, "relu")),
    enlarge(last ?? first, "tanh"),
  ]);
}

class Images extends nn.Module {
  override forward(x: ng.Tensor): ng.Tensor {
    return x.reshape([-1, side, side, channels[0]]);
  }
}

/** Inference with a generator of images. */
export const generate: Work = {
  name: "dcgan_infer_b16",
  about: `inference of a generator of ${batch} images of 32×32×3 by transposed convolutions`,
  unit: "ms",
  check: { kind: "values", tolerance: 1e-4 },
  peers: true,
  inputs: () => ({
    x: uniform([batch, code], 470, -1, 1),
    ...initialKernels(
      [
        [code, side * side * channels[0]],
        [4, 4, channels[1], channels[0]],
        [4, 4, channels[2], channels[1]],
        [4, 4, channels[3], channels[2]],
      ],
      471,
    ),
  }),
  prepare: (inputs) => inferModel(generator(), inputs),
};
