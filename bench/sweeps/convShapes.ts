/** The convolutions of the sweep: every different layer of two networks, for one image of 224×224. */

/** A square image and a square kernel; padding keeps the size, divided by the stride. */
export interface ConvShape {
  readonly size: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride?: number;
  /** As many groups as channels. */
  readonly depthwise?: true;
}

const pointwise = (size: number, inputs: number, outputs: number, stride = 1): ConvShape => ({
  size,
  inputs,
  outputs,
  kernel: 1,
  stride,
});

const full = (size: number, inputs: number, outputs: number, stride = 1): ConvShape => ({
  size,
  inputs,
  outputs,
  kernel: 3,
  stride,
});

const depthwise = (size: number, channels: number, stride = 1): ConvShape => ({
  size,
  inputs: channels,
  outputs: channels,
  kernel: 3,
  stride,
  depthwise: true,
});

/** He et al. 2016, with the stride in the 3×3 layers. */
const resnet50: readonly ConvShape[] = [
  { size: 224, inputs: 3, outputs: 64, kernel: 7, stride: 2 },
  pointwise(56, 64, 64),
  full(56, 64, 64),
  pointwise(56, 64, 256),
  pointwise(56, 256, 64),
  pointwise(56, 256, 128),
  full(56, 128, 128, 2),
  pointwise(56, 256, 512, 2),
  pointwise(28, 128, 512),
  pointwise(28, 512, 128),
  full(28, 128, 128),
  pointwise(28, 512, 256),
  full(28, 256, 256, 2),
  pointwise(28, 512, 1024, 2),
  pointwise(14, 256, 1024),
  pointwise(14, 1024, 256),
  full(14, 256, 256),
  pointwise(14, 1024, 512),
  full(14, 512, 512, 2),
  pointwise(14, 1024, 2048, 2),
  pointwise(7, 512, 2048),
  pointwise(7, 2048, 512),
  full(7, 512, 512),
];

/** Sandler et al. 2018. */
const mobilenetV2: readonly ConvShape[] = [
  full(224, 3, 32, 2),
  depthwise(112, 32),
  pointwise(112, 32, 16),
  pointwise(112, 16, 96),
  depthwise(112, 96, 2),
  pointwise(56, 96, 24),
  pointwise(56, 24, 144),
  depthwise(56, 144),
  pointwise(56, 144, 24),
  depthwise(56, 144, 2),
  pointwise(28, 144, 32),
  pointwise(28, 32, 192),
  depthwise(28, 192),
  pointwise(28, 192, 32),
  depthwise(28, 192, 2),
  pointwise(14, 192, 64),
  pointwise(14, 64, 384),
  depthwise(14, 384),
  pointwise(14, 384, 64),
  pointwise(14, 384, 96),
  pointwise(14, 96, 576),
  depthwise(14, 576),
  pointwise(14, 576, 96),
  depthwise(14, 576, 2),
  pointwise(7, 576, 160),
  pointwise(7, 160, 960),
  depthwise(7, 960),
  pointwise(7, 960, 160),
  pointwise(7, 960, 320),
  pointwise(7, 320, 1280),
];

export const convShapes: readonly ConvShape[] = [...resnet50, ...mobilenetV2];
