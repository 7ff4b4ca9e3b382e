/** The geometry of windows that slide over images, shared by convolution and pooling. Images are [batch, height, width, channels]. */
import {
  addDims,
  type Dim,
  floorDivDim,
  formatDim,
  formatShape,
  type Shape,
  ShapeError,
  subDims,
} from "../core/index.ts";

/** Along height and along width. */
export type Pair = readonly [number, number];

/** Cells added above, below, left and right. */
export type Padding = readonly [top: number, bottom: number, left: number, right: number];

/** Where windows lie: `size` cells a window, `dilation` cells from one to the next, `strides` between windows. */
export interface WindowGeometry {
  readonly size: Pair;
  readonly strides: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
}

/** Throws ShapeError unless x has the four axes of a stack of images. */
export function checkImages(shape: Shape, name: string): void {
  if (shape.length === 4) return;
  throw new ShapeError(
    `${name}: expected images of shape [batch, height, width, channels]; received ${formatShape(shape)}. ` +
      `Add missing axes of size 1 with expandDims.`,
  );
}

/** Throws ShapeError unless sizes, strides and dilation are whole numbers from 1 up, and padding from 0 up. */
export function checkGeometry(geometry: WindowGeometry, name: string): void {
  const check = (what: string, values: readonly number[], count: number, least: number): void => {
    if (values.length === count && values.every((value) => Number.isSafeInteger(value) && value >= least))
      return;
    throw new ShapeError(
      `${name}: expected ${what} as ${count} whole numbers from ${least} up; received [${values.join(", ")}].`,
    );
  };
  check("window sizes", geometry.size, 2, 1);
  check("strides", geometry.strides, 2, 1);
  check("dilation", geometry.dilation, 2, 1);
  check("padding [top, bottom, left, right]", geometry.padding, 4, 0);
}

/**
 * How many windows fit along height (axis 0) or width (axis 1): ⌊(n + pads − reach) / stride⌋ + 1, where a window of k
 * cells reaches over dilation·(k − 1) + 1.
 */
function windowCount(
  images: Shape,
  axis: 0 | 1,
  { size, strides, padding, dilation }: WindowGeometry,
  name: string,
): Dim {
  const n = images[axis + 1] ?? 0;
  const reach = dilation[axis] * (size[axis] - 1) + 1;
  const [low, high] = axis === 0 ? [padding[0], padding[1]] : [padding[2], padding[3]];
  const padded = addDims(n, low + high);
  if (typeof padded === "number" && padded < reach) {
    throw new ShapeError(
      `${name}: a window that reaches over ${reach} cells does not fit into a ${axis === 0 ? "height" : "width"} of ` +
        `${formatDim(n)} padded with ${low} + ${high}; received images of ${formatShape(images)}. Use a smaller window or more padding.`,
    );
  }
  return addDims(floorDivDim(subDims(padded, reach), strides[axis]), 1);
}

/** [batch, windows along height, windows along width, channels]. */
export function windowedShape(images: Shape, channels: Dim, geometry: WindowGeometry, name: string): Shape {
  return [
    images[0] ?? 0,
    windowCount(images, 0, geometry, name),
    windowCount(images, 1, geometry, name),
    channels,
  ];
}

/**
 * Calls `visit` for every window position and every cell of the window that lies inside the image, in row-major order:
 * with the row-major number of the window, of the cell within the window, and of the cell within the image.
 */
export function eachWindowCell(
  images: readonly number[],
  windows: readonly number[],
  { size, strides, padding, dilation }: WindowGeometry,
  visit: (window: number, cell: number, pixel: number) => void,
): void {
  const [, height = 0, width = 0] = images;
  const [, rows = 0, columns = 0] = windows;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let i = 0; i < size[0]; i++) {
        for (let j = 0; j < size[1]; j++) {
          const y = row * strides[0] - padding[0] + i * dilation[0];
          const x = column * strides[1] - padding[2] + j * dilation[1];
          const inside = y >= 0 && y < height && x >= 0 && x < width;
          if (inside) visit(row * columns + column, i * size[1] + j, y * width + x);
        }
      }
    }
  }
}
