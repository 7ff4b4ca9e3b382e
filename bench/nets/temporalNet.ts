import * as ng from "nagare";
import { labelledBatch } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, time, features, width, length] = [16, 256, 8, 64, 3];
const dilations = [1, 2, 4, 8] as const;

/** A window over the past, whose taps lie ever farther apart (Bai et al. 2018). */
class PastBlock extends nn.Module {
  readonly window: ng.nn.Conv2d;

  constructor(dilation: number) {
    super();
    this.window = nn.conv2d({
      filters: width,
      kernelSize: [1, length],
      dilation: [1, dilation],
      padding: [0, 0, (length - 1) * dilation, 0],
      activation: "relu",
    });
  }

  override forward(x: ng.Tensor): ng.Tensor {
    return x.add(this.window.call(x));
  }
}

/** Training of dilated causal convolutions. */
export const temporalNet: Work = {
  name: "tcn_train_b16t256",
  about: `training step of ${dilations.length} dilated causal convolutions of width ${width} on ${batch} sequences of ${time} × ${features} numbers with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 5e-3 },
  peers: true,
  inputs: () => ({
    ...labelledBatch([batch, 1, time, features], 430),
    ...initialKernels(
      [[1, 1, features, width], ...dilations.map(() => [1, length, width, width]), [width, 10]],
      431,
    ),
  }),
  prepare: (inputs) =>
    trainStep(
      nn.sequential([
        nn.conv2d({ filters: width, kernelSize: 1 }),
        ...dilations.map((dilation) => new PastBlock(dilation)),
        nn.globalAveragePooling2d(),
        nn.dense({ units: 10 }),
      ]),
      inputs,
    ),
};
