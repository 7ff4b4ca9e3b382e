import * as ng from "nagare";

const { nn } = ng;

/** Cells around an image that leave its size as it is: the same on all sides, which is not what "same" means with strides. */
export const around = (kernelSize: number): readonly [number, number, number, number] => {
  const cells = (kernelSize - 1) / 2;
  return [cells, cells, cells, cells];
};

/** A layer without a bias, and batch normalization behind it. */
export const normalized = (layer: ng.nn.Module): ng.nn.Module =>
  nn.sequential([layer, nn.batchNormalization({ epsilon: 1e-5, momentum: 0.9 })]);

/** A normalized convolution. */
export const convolution = (filters: number, kernelSize: number, strides = 1): ng.nn.Module =>
  normalized(nn.conv2d({ filters, kernelSize, strides, padding: around(kernelSize), useBias: false }));
