// Blocks of the patch matrix for a product that runs along pixels: every tap must then have a cell at every pixel. Where patches leave the
// image, the cells a block reads are first copied, with their border of zeros, into scratch that stays in L2.
#pragma once

#include "conv_patch.h"
#include "stream.h"

namespace nagare::NAGARE_ISA {

// Where the cells of `outputs` consecutive outputs lie in a copied block: cell (o, t) at o·step + t·tapStep.
// Dense keeps all cells between the first and the last; separate keeps only the cells read, tap by tap (long strides, wide dilations).
struct LocalAxis {
  bool dense;
  int64_t outputs, step, tapStep, length;
};

inline LocalAxis local_axis(const PatchAxis& axis, int64_t outputs) {
  const int64_t dense = (outputs - 1) * axis.step + (axis.taps - 1) * axis.tapStep + 1;
  const int64_t separate = outputs * axis.taps;
  if (dense <= separate) return {true, outputs, axis.step, axis.tapStep, dense};
  return {false, outputs, 1, outputs, separate};
}

// The addresses inside a block, in the image or in the copy.
struct PatchRegion {
  PatchShape shape;
  bool copies;
  LocalAxis y, x;
  int64_t imageStride, rowStride, pixelStride;  // elements between cells
  int64_t size;                                 // elements of the copy of a full block

  // `always`: cells are copied even if no patch leaves the image.
  PatchRegion(const PatchShape& patches, const PatchBlock& largest, bool always = false) : shape(patches) {
    copies = always || shape.y.leaves_source() || shape.x.leaves_source();
    if (copies) {
      y = local_axis(shape.y, largest.rows);
      x = local_axis(shape.x, largest.columns);
      pixelStride = shape.channels;
      rowStride = x.length * pixelStride;
      imageStride = y.length * rowStride;
      size = largest.images * imageStride;
    } else {
      y = {true, largest.rows, shape.y.step, shape.y.tapStep, shape.y.source};
      x = {true, largest.columns, shape.x.step, shape.x.tapStep, shape.x.source};
      pixelStride = shape.sourceChannels;
      rowStride = shape.row_stride();
      imageStride = shape.image_stride();
      size = 0;
    }
  }

  int64_t tap_row() const { return y.tapStep * rowStride; }
  int64_t tap_column() const { return x.tapStep * pixelStride; }
};

inline void fill_pixel_offsets(const PatchRegion& region, const PatchBlock& block, int64_t* offsets) {
  for (int64_t image = 0; image < block.images; image++) {
    for (int64_t y = 0; y < block.rows; y++) {
      const int64_t row = image * region.imageStride + y * region.y.step * region.rowStride;
      for (int64_t x = 0; x < block.columns; x++) *offsets++ = row + x * region.x.step * region.pixelStride;
    }
  }
}

// `cells` pixels from source cell `first` on, `step` apart, of one source row (null: a row of zeros).
template <typename T>
inline void copy_cells(const PatchShape& shape, const T* row, int64_t first, int64_t step, int64_t cells, T* out) {
  const int64_t channels = shape.channels, stride = shape.sourceChannels;
  const size_t pixelBytes = static_cast<size_t>(channels) * sizeof(T);
  const int64_t outside = row == nullptr ? cells : first < 0 ? min64(cells, divide_up(-first, step)) : 0;
  __builtin_memset(out, 0, static_cast<size_t>(outside) * pixelBytes);
  const int64_t end = max64(outside, min64(cells, divide_up(shape.x.source - first, step)));
  if (end > outside) {
    const T* in = row + (first + outside * step) * stride;
    T* to = out + outside * channels;
    if (step == 1 && stride == channels) {
      __builtin_memcpy(to, in, static_cast<size_t>(end - outside) * pixelBytes);
    } else {
      const int64_t bytes = static_cast<int64_t>(pixelBytes);
      for (int64_t i = outside; i < end; i++, in += step * stride, to += channels) {
        copy_short(reinterpret_cast<char*>(to), reinterpret_cast<const char*>(in), bytes);
      }
    }
  }
  __builtin_memset(out + end * channels, 0, static_cast<size_t>(cells - end) * pixelBytes);
}

// The address that pixel and tap offsets of this block count from: in the image, or in `memory` after a copy.
// `source` points at the first channel of the group.
template <typename T>
inline const T* prepare_block(const PatchRegion& region, const PatchBlock& block, const T* source, T* memory) {
  const PatchShape& shape = region.shape;
  const int64_t firstY = shape.y.origin + block.y0 * shape.y.step, firstX = shape.x.origin + block.x0 * shape.x.step;
  const T* const plane = source + block.image0 * shape.image_stride();
  if (!region.copies) return plane + firstY * shape.row_stride() + firstX * shape.sourceChannels;
  for (int64_t image = 0; image < block.images; image++) {
    for (int64_t l = 0; l < region.y.length; l++) {
      const int64_t y = firstY + (region.y.dense ? l : l / region.y.outputs * shape.y.tapStep + l % region.y.outputs * shape.y.step);
      const T* row = y >= 0 && y < shape.y.source ? plane + image * shape.image_stride() + y * shape.row_stride() : nullptr;
      T* out = memory + image * region.imageStride + l * region.rowStride;
      if (region.x.dense) {
        copy_cells(shape, row, firstX, 1, region.x.length, out);
      } else {
        for (int64_t t = 0; t < shape.x.taps; t++) {
          copy_cells(shape, row, firstX + t * shape.x.tapStep, shape.x.step, region.x.outputs,
                     out + t * region.x.outputs * region.pixelStride);
        }
      }
    }
  }
  return memory;
}

}  // namespace nagare::NAGARE_ISA
