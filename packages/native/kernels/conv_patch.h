// The implicit patch matrix of a convolution.
//
// Row p is an output pixel, column k is a (tap row, tap column, channel) triple, and
//   patch(p, k) = source[pixelOffset[p] + tapOffset[k]]:
// the two indices contribute separately, so the matrix is never formed. A tile reads it with one table (GatheredRows): forward and input
// gradient take pixels as rows and run along k, the filter gradient takes k as rows and runs along pixels.
#pragma once

#include "conv.h"
#include "blocking.h"

namespace nagare::NAGARE_ISA {

struct IndexRange {
  int64_t begin, end;
};

// One spatial axis: output o and tap t read source cell origin + o·step + t·tapStep; cells outside [0, source) are zeros.
struct PatchAxis {
  int64_t source, outputs, step, origin, taps, tapStep;

  bool leaves_source() const { return origin < 0 || origin + (outputs - 1) * step + (taps - 1) * tapStep >= source; }

  // The taps that read inside the source at output o.
  IndexRange taps_at(int64_t o) const { return inside(origin + o * step, tapStep, taps); }

  // The outputs at which tap t reads inside the source.
  IndexRange outputs_at(int64_t t) const { return inside(origin + t * tapStep, step, outputs); }

 private:
  // The i in [0, count) for which first + i·stride lies in [0, source).
  IndexRange inside(int64_t first, int64_t stride, int64_t count) const {
    const int64_t end = first >= source ? 0 : min64(count, (source - 1 - first) / stride + 1);
    if (end <= 0) return {0, 0};
    return {first >= 0 ? 0 : min64(end, divide_up(-first, stride)), end};
  }
};

// The patch matrix of a batch of images [batch, y.source, x.source, sourceChannels], of which each group sees `channels`.
struct PatchShape {
  int64_t batch;
  PatchAxis y, x;
  int64_t sourceChannels, channels;

  int64_t depth() const { return y.taps * x.taps * channels; }
  int64_t pixels() const { return batch * y.outputs * x.outputs; }
  int64_t row_stride() const { return x.source * sourceChannels; }
  int64_t image_stride() const { return y.source * row_stride(); }
};

// Pixels [x0, x0 + columns) of rows [y0, y0 + rows) of images [image0, image0 + images).
struct PatchBlock {
  int64_t image0, images, y0, rows, x0, columns;

  int64_t pixels() const { return images * rows * columns; }
};

// The division of the output pixels into blocks. Depends on the shape alone.
struct PatchBlocks {
  PatchBlock largest;  // sizes of a full block
  int64_t ofImages, ofRows, ofColumns;

  int64_t count() const { return ofImages * ofRows * ofColumns; }
};

// Source cells that `outputs` neighbours of an axis read.
inline int64_t cells_read(const PatchAxis& axis, int64_t outputs) {
  return min64((outputs - 1) * axis.step + (axis.taps - 1) * axis.tapStep + 1, outputs * axis.taps);
}

// Blocks of at most about `pixels` output pixels that read at most about `cells` source elements.
inline PatchBlocks divide_pixels(const PatchShape& shape, int64_t pixels, int64_t cells) {
  const auto elements = [&](int64_t rows, int64_t columns) {
    return cells_read(shape.y, rows) * cells_read(shape.x, columns) * shape.channels;
  };
  const int64_t height = shape.y.outputs, width = shape.x.outputs, whole = elements(height, width);
  int64_t images = 1, rows = height, columns = width;
  if (height * width <= pixels && whole <= cells) {
    images = even_block(shape.batch, min64(pixels / (height * width), whole > 0 ? cells / whole : shape.batch), 1);
  } else {
    while (columns > 8 && (columns > pixels || elements(1, columns) > cells)) columns = divide_up(columns, 2);
    rows = max64(1, min64(height, pixels / columns));
    while (rows > 1 && elements(rows, columns) > cells) rows--;
    rows = even_block(height, rows, 1);
  }
  return {{0, images, 0, rows, 0, columns}, divide_up(shape.batch, images), divide_up(height, rows), divide_up(width, columns)};
}

inline PatchBlock block_at(const PatchShape& shape, const PatchBlocks& blocks, int64_t index) {
  const int64_t column = index % blocks.ofColumns, row = index / blocks.ofColumns % blocks.ofRows;
  PatchBlock block = blocks.largest;
  block.x0 = column * block.columns;
  block.columns = min64(block.columns, shape.x.outputs - block.x0);
  block.y0 = row * block.rows;
  block.rows = min64(block.rows, shape.y.outputs - block.y0);
  block.image0 = index / (blocks.ofColumns * blocks.ofRows) * block.images;
  block.images = min64(block.images, shape.batch - block.image0);
  return block;
}

// offsets[k] of every tap and channel, given the distance of neighbouring taps.
inline void fill_tap_offsets(const PatchShape& shape, int64_t tapRow, int64_t tapColumn, int64_t* offsets) {
  for (int64_t y = 0; y < shape.y.taps; y++) {
    for (int64_t x = 0; x < shape.x.taps; x++) {
      for (int64_t c = 0; c < shape.channels; c++) *offsets++ = y * tapRow + x * tapColumn + c;
    }
  }
}

}  // namespace nagare::NAGARE_ISA
