// What a correlation of an image with filters is, and the sizes of its steps.
#pragma once

#include "conv_region.h"

namespace nagare::NAGARE_ISA {

// Element (tap row, tap column, channel, output channel) of the filters is at
//   first + row·tapRow + column·tapColumn + (transposed ? output·ld + channel : channel·ld + output).
template <typename T>
struct FilterView {
  const T* first;
  int64_t tapRow, tapColumn, ld;
  bool transposed;
};

// Where results go: output pixel (image, y, x), counted in the correlation's own grid.
template <typename T>
struct PixelGrid {
  T* first;
  int64_t image, row, column;
};

// One correlation. Groups step through channels of the source, the filters and the result.
template <typename T>
struct Correlation {
  PatchShape patches;
  int64_t groups, outputs;  // output channels per group
  const T* source;
  FilterView<T> filters;
  int64_t filterGroupStride;
  PixelGrid<T> result;
  ConvEpilogue<T> epilogue;
  Activation activation;
};

// Pixels of a block that read the same taps inside the image: the others are zeros and are left out of the sum.
struct PixelSegment {
  int64_t first, count;  // in the tables of the block
  IndexRange tapRows, tapColumns;
};

// Whether pixels have so little of a group that its part of them is copied together: cells of one group then no longer share lines with
// others', nor lie a power of two apart.
template <typename T>
inline bool is_narrow(const PatchShape& shape) {
  return 0 < shape.channels && shape.channels < shape.sourceChannels && shape.channels * static_cast<int64_t>(sizeof(T)) <= 128;
}

// Blocks of pixels. 512 pixels and 160 KiB of source cells leave half of a 512 KiB L2 to filters and results. All groups pass over the
// cells of a block while they are there, where a line holds more than one of them.
template <typename T>
inline PatchBlocks correlation_blocks(const PatchShape& shape) {
  int64_t bytes = int64_t(160) << 10;
  if (is_narrow<T>(shape)) bytes = max64(int64_t(8) << 10, bytes * shape.channels / shape.sourceChannels);
  return divide_pixels(shape, 512, bytes / static_cast<int64_t>(sizeof(T)));
}

// Sizes of the steps of a correlation; depends on the shape alone.
template <typename T>
struct CorrelationPlan {
  PatchBlocks blocks;
  bool narrow;
  PatchRegion region;  // of copied cells, if narrow
  int64_t depth, depthBlock, columns;
  int64_t packedGroup;  // elements of the packed filters of one group
  int64_t tapBytes, tableBytes, segmentBytes, regionBytes;

  CorrelationPlan(const PatchShape& shape, int64_t outputs)
      : blocks(correlation_blocks<T>(shape)), narrow(is_narrow<T>(shape)), region(shape, blocks.largest, narrow) {
    depth = shape.depth();
    depthBlock = even_block(depth, 320, 1);
    columns = padded_columns<T>(outputs);
    packedGroup = depth * columns;
    tapBytes = round_up(depth * static_cast<int64_t>(sizeof(int64_t)), 64);
    tableBytes = round_up(blocks.largest.pixels() * static_cast<int64_t>(sizeof(T*)), 64);
    // The first and the last tap inside the image change at most once per tap along an axis.
    const int64_t rows = min64(blocks.largest.rows, 2 * shape.y.taps + 1), across = min64(blocks.largest.columns, 2 * shape.x.taps + 1);
    segmentBytes = round_up(rows * across * static_cast<int64_t>(sizeof(PixelSegment)), 64);
    regionBytes = narrow ? round_up(region.size * static_cast<int64_t>(sizeof(T)), 64) : 0;
  }

  int64_t packed(int64_t groups) const { return round_up(groups * packedGroup * static_cast<int64_t>(sizeof(T)), 64); }
  int64_t worker() const { return 2 * tableBytes + segmentBytes + regionBytes; }
  size_t scratch(int64_t groups, int threads) const { return static_cast<size_t>(tapBytes + packed(groups) + threads * worker()); }
};

}  // namespace nagare::NAGARE_ISA
