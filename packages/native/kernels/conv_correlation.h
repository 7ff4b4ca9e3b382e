// What a correlation of an image with filters is, and the sizes of its steps.
#pragma once

#include "conv_region.h"
#include "gemm_tile.h"

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
  const T* packed = nullptr;  // the filters as they were laid out in advance, or null
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

// Blocks of pixels. Filters are packed for every block, so that larger ones are better; source cells leave a third of L2, 512 KiB or with
// the widest vectors 1 MiB, to filters and results. All groups pass over the cells of a block while they are there, where a line holds
// more than one of them.
constexpr int64_t kBlockPixels = 512, kBlockBytes = (kVectorBytes == 64 ? 480 : 320) << 10;
// Fewer pixels than this are not worth packing filters for once more.
constexpr int64_t kLeastBlockPixels = 48;
template <typename T>
inline PatchBlocks correlation_blocks(const PatchShape& shape, int64_t pixels) {
  int64_t bytes = kBlockBytes;
  if (is_narrow<T>(shape)) bytes = max64(int64_t(8) << 10, bytes * shape.channels / shape.sourceChannels);
  return divide_pixels(shape, pixels, bytes / static_cast<int64_t>(sizeof(T)));
}

// Bytes of filters that stay in L1 while the pixels of a block pass by, with room for these.
constexpr int64_t kPanelBytes = kVectorBytes == 64 ? 40 << 10 : 20 << 10;
// Filters of at most so many bytes, and vectors across, stay there together, and a tile of pixels meets all of them at once.
constexpr int64_t kSmallFilterBytes = 1 << 14, kSmallFilterVectors = 48;

// The output channels of a group in panels: vectors are divided evenly, for a tile of one vector is limited by its loads.
template <typename T>
struct FilterPanels {
  int64_t outputs, vectors, count;

  FilterPanels(int64_t outputs, int64_t most) : outputs(outputs), vectors(divide_up(outputs, kLanes<T>)), count(divide_up(vectors, most)) {}

  // The first output channel of a panel; of the one after the last, the number of channels.
  int64_t first(int64_t panel) const { return panel == count ? outputs : vectors * panel / count * kLanes<T>; }
  int64_t width() const { return divide_up(vectors, count) * kLanes<T>; }  // of the widest
};

// Filters that are laid out in advance have panels of so many vectors, whatever they are used for: there are the more of them to divide.
constexpr int64_t kPackedVectors = 2;

// The depth of a block of filters in such panels.
template <typename T>
inline int64_t panel_depth(int64_t depth, const FilterPanels<T>& panels) {
  return even_block(depth, kPanelBytes / (panels.width() * static_cast<int64_t>(sizeof(T))), 1);
}

// Elements of a group's filters before a panel of the block of depth [k0, k1): block after block, each panel after panel.
template <typename T>
inline int64_t packed_offset(const FilterPanels<T>& panels, int64_t k0, int64_t k1, int64_t panel) {
  return k0 * padded_columns<T>(panels.outputs) + panels.first(panel) * (k1 - k0);
}

// Sizes of the steps of a correlation. No sum depends on the number of threads.
template <typename T>
struct CorrelationPlan {
  PatchBlocks blocks;
  int rows;  // of a tile
  bool narrow;
  PatchRegion region;  // of copied cells, if narrow
  FilterPanels<T> panels;
  bool small;  // all filters of a group at once
  bool inPlace;  // filters are panels as they lie
  int64_t depth, depthBlock;
  // A task: blocks × groups × panels.
  int64_t blocksPerTask, groupsPerTask, panelsPerTask;
  int64_t blockTasks, groupTasks, panelTasks;
  int64_t tapBytes, tableBytes, segmentBytes, panelBytes, regionBytes;

  CorrelationPlan(const PatchShape& shape, int64_t groups, int64_t outputs, bool transposed, bool packed, int threads)
      : blocks(correlation_blocks<T>(shape, kBlockPixels)),
        narrow(is_narrow<T>(shape)),
        region(shape, blocks.largest, narrow),
        panels(outputs, packed ? kPackedVectors : kTileVectors) {
    constexpr int64_t element = static_cast<int64_t>(sizeof(T));
    depth = shape.depth();
    small = !packed && depth * panels.vectors * kVectorBytes <= kSmallFilterBytes && panels.vectors <= kSmallFilterVectors;
    // Sums are cut at its ends: it must not follow the threads, as the panels below do.
    depthBlock = small ? depth : panel_depth(depth, panels);
    // Enough tasks to even out the threads; an image that is small is divided by output channels first, as no cell is then packed twice.
    const int64_t wanted = threads == 1 ? 1 : 8 * int64_t(threads);
    if (!packed && blocks.count() * groups * panels.count < wanted) panels = FilterPanels<T>(outputs, 2);
    if (!packed && kHasWideTile<T> && panels.vectors == kWideTileVectors) panels = FilterPanels<T>(outputs, kWideTileVectors);
    rows = panels.width() > kTileColumns<T> ? kWideTileRows : kTileRows;
    const int64_t fewest = divide_up(wanted, 2 * max64(1, groups * panels.count));
    if (blocks.count() < fewest) {
      blocks = correlation_blocks<T>(shape, min64(kBlockPixels, max64(kLeastBlockPixels, divide_up(shape.pixels(), fewest))));
    }
    region = PatchRegion(shape, blocks.largest, narrow);
    inPlace = !packed && !transposed && outputs % kLanes<T> == 0 && (small || panels.count == 1);

    panelsPerTask = divide_up(panels.count, min64(panels.count, divide_up(wanted, max64(1, blocks.count() * groups))));
    // What is packed for a task serves all its blocks.
    blocksPerTask = small && panelsPerTask == panels.count ? max64(1, blocks.count() * groups / wanted) : 1;
    blocksPerTask = min64(blocksPerTask, blocks.count());
    blockTasks = divide_up(blocks.count(), blocksPerTask);
    // Narrow groups share lines: one thread takes neighbours.
    groupsPerTask = narrow ? max64(1, groups / max64(1, divide_up(wanted, blockTasks))) : 1;
    groupTasks = divide_up(groups, groupsPerTask);
    panelTasks = divide_up(panels.count, panelsPerTask);

    tapBytes = round_up(depth * static_cast<int64_t>(sizeof(int64_t)), 64);
    tableBytes = round_up(blocks.largest.pixels() * static_cast<int64_t>(sizeof(T*)), 64);
    // The first and the last tap inside the image change at most once per tap along an axis.
    const int64_t down = min64(blocks.largest.rows, 2 * shape.y.taps + 1), across = min64(blocks.largest.columns, 2 * shape.x.taps + 1);
    segmentBytes = round_up(down * across * static_cast<int64_t>(sizeof(PixelSegment)), 64);
    panelBytes = inPlace || packed ? 0 : round_up(depthBlock * (small ? panels.vectors * kLanes<T> : panels.width()) * element, 64);
    regionBytes = narrow ? round_up(region.size * element, 64) : 0;
  }

  int64_t tasks() const { return blockTasks * groupTasks * panelTasks; }
  int64_t worker() const { return 2 * tableBytes + segmentBytes + panelBytes + regionBytes; }
  size_t scratch(int threads) const { return static_cast<size_t>(tapBytes + threads * worker()); }
};

}  // namespace nagare::NAGARE_ISA
