import * as ng from "nagare";
import { uniform } from "../harness/index.ts";
import { trainStep } from "../workloads/compiled.ts";
import { initialKernels, type Work } from "../workloads/workload.ts";

const { nn } = ng;

const [batch, side, width, classes] = [4, 64, 16, 4];
/** Channels of the levels from the image down. */
const levels = [width, 2 * width, 4 * width] as const;

const twice = (filters: number) =>
  nn.sequential(
    Array.from({ length: 2 }, () =>
      nn.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu" }),
    ),
  );
const enlarge = (filters: number) => nn.conv2dTranspose({ filters, kernelSize: 2, strides: 2 });

/** Down by pooling, up by transposed convolutions, beside what was seen on the way down (Ronneberger et al. 2015). */
class Unet extends nn.Module {
  readonly down1 = twice(levels[0]);
  readonly down2 = twice(levels[1]);
  readonly bottom = twice(levels[2]);
  readonly up2 = enlarge(levels[1]);
  readonly merge2 = twice(levels[1]);
  readonly up1 = enlarge(levels[0]);
  readonly merge1 = twice(levels[0]);
  readonly head = nn.conv2d({ filters: classes, kernelSize: 1 });

  override forward(x: ng.Tensor): ng.Tensor {
    const pool = (x: ng.Tensor) => ng.maxPool2d(x, { window: 2 });
    const beside = (x: ng.Tensor, seen: ng.Tensor) => ng.concat([seen, x], { axis: -1 });
    const first = this.down1.call(x);
    const second = this.down2.call(pool(first));
    const bottom = this.bottom.call(pool(second));
    const merged = this.merge2.call(beside(this.up2.call(bottom), second));
    return this.head.call(this.merge1.call(beside(this.up1.call(merged), first)));
  }
}

const [high, middle, low] = levels;
const window = (entering: number, filters: number) => [3, 3, entering, filters];
const kernelShapes = [
  window(3, high),
  window(high, high),
  window(high, middle),
  window(middle, middle),
  window(middle, low),
  window(low, low),
  [2, 2, middle, low],
  window(low, middle),
  window(middle, middle),
  [2, 2, high, middle],
  window(middle, high),
  window(high, high),
  [1, 1, high, classes],
];

/** Training of a net that tells the class of each pixel: here, how bright it is. */
export const unet: Work = {
  name: "unet_train_b4",
  about: `training step of a U-Net of three levels on ${batch} images of ${side}×${side}×3 with Adam`,
  unit: "ms",
  check: { kind: "losses", sameSteps: 3, tolerance: 1e-2 },
  peers: true,
  inputs() {
    const x = uniform([batch, side, side, 3], 340);
    // Squares of 8×8 pixels are of one class.
    const squares = uniform([batch, side, side], 339, 0, classes).data;
    const labels = Int32Array.from(squares, (_, i) =>
      Math.floor(squares[i - (i % (8 * side)) + ((i % side) >> 3)] ?? 0),
    );
    x.data.forEach((noise, i) => {
      x.data[i] = 0.25 * noise + (0.75 * (labels[Math.floor(i / 3)] ?? 0)) / classes;
    });
    return { x, labels: { shape: [batch, side, side], data: labels }, ...initialKernels(kernelShapes, 341) };
  },
  prepare: (inputs) => trainStep(new Unet(), inputs),
};
