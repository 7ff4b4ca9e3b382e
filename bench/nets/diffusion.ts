import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, side, width, groups, heads] = [8, 32, 32, 8, 4];
const deep = 2 * width;

const normal = () => nn.groupNormalization({ groups, epsilon: 1e-5 });
const window = (filters: number, strides = 1) =>
  nn.conv2d({ filters, kernelSize: 3, strides, padding: [1, 1, 1, 1] });

/** Two convolutions behind group norms, beside which the input goes, projected where its channels change. */
class Residual extends nn.Module {
  readonly norm1 = normal();
  readonly first: ng.nn.Conv2d;
  readonly norm2 = normal();
  readonly second: ng.nn.Conv2d;
  readonly project: ng.nn.Conv2d | undefined;

  constructor(entering: number, filters: number) {
    super();
    this.first = window(filters);
    this.second = window(filters);
    this.project = entering === filters ? undefined : nn.conv2d({ filters, kernelSize: 1 });
  }

  override forward(x: ng.Tensor): ng.Tensor {
    const y = this.first.call(ng.silu(this.norm1.call(x)));
    return this.second.call(ng.silu(this.norm2.call(y))).add(this.project?.call(x) ?? x);
  }
}

/** Each pixel attends to all others. */
class PixelAttention extends nn.Module {
  readonly norm = normal();
  readonly attention = nn.selfAttention({ heads, units: deep });

  override forward(x: ng.Tensor): ng.Tensor {
    const [rows, columns] = [Number(x.shape[1]), Number(x.shape[2])];
    const pixels = this.norm.call(x).reshape([-1, rows * columns, deep]);
    return x.add(this.attention.call(pixels).reshape([-1, rows, columns, deep]));
  }
}

/** What noise there is in an image (Ho et al. 2020), by a net of two levels. */
class Denoiser extends nn.Module {
  readonly entry = window(width);
  readonly high = new Residual(width, width);
  readonly halve = window(deep, 2);
  readonly low = new Residual(deep, deep);
  readonly attend = new PixelAttention();
  readonly lower = new Residual(deep, deep);
  readonly smooth = window(width);
  readonly merge = new Residual(2 * width, width);
  readonly norm = normal();
  readonly exit = window(3);

  override forward(x: ng.Tensor): ng.Tensor {
    const high = this.high.call(this.entry.call(x));
    const low = this.lower.call(this.attend.call(this.low.call(this.halve.call(high))));
    const doubled = ng.repeat(ng.repeat(low, 2, 1), 2, 2);
    const merged = this.merge.call(ng.concat([this.smooth.call(doubled), high], { axis: -1 }));
    return this.exit.call(ng.silu(this.norm.call(merged)));
  }
}

const kernel = (entering: number, filters: number, size = 3) => [size, size, entering, filters];
const kernelShapes = [
  kernel(3, width),
  kernel(width, width),
  kernel(width, width),
  kernel(width, deep),
  kernel(deep, deep),
  kernel(deep, deep),
  [deep, 3 * deep],
  [deep, deep],
  kernel(deep, deep),
  kernel(deep, deep),
  kernel(deep, width),
  kernel(2 * width, width),
  kernel(width, width),
  kernel(2 * width, width, 1),
  kernel(width, 3),
];

/** Training of a net of group norms and attention between convolutions. */
export const diffusion: Work = {
  name: "diffusion_train_b8",
  about: `training step of a denoiser with group norms and attention on ${batch} images of ${side}×${side}×3 with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 1e-2 },
  peers: true,
  parameters: { heads, groups },
  inputs: () => ({
    x: uniform([batch, side, side, 3], 560, -1, 1),
    labels: uniform([batch, side, side, 3], 561, -1, 1),
    ...initialKernels(kernelShapes, 562),
  }),
  prepare: (inputs) => trainStep(new Denoiser(), inputs, undefined, nn.losses.meanSquaredError),
};
