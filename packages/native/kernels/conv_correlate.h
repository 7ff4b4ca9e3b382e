// Correlation of an image with filters as an implicit matrix product: the forward pass, and per stride phase the input gradient.
#pragma once

#include "conv_filters.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {

// The end of the run of indices from `begin` on whose range of taps is the same.
inline int64_t same_taps(const PatchAxis& axis, int64_t begin, int64_t end) {
  const IndexRange first = axis.taps_at(begin);
  int64_t i = begin + 1;
  for (; i < end; i++) {
    const IndexRange taps = axis.taps_at(i);
    if (taps.begin != first.begin || taps.end != first.end) break;
  }
  return i;
}

// Lists the pixels of a block segment by segment, with the address of their first tap and that of their result. The first tap may lie
// outside the image; it is then not among the taps of the segment.
template <typename T>
inline int64_t list_pixels(const Correlation<T>& task, int64_t group, const PatchBlock& block, const T** sources, T** targets,
                           PixelSegment* segments) {
  const PatchShape& shape = task.patches;
  const PixelGrid<T>& grid = task.result;
  const T* const source = task.source + group * shape.channels;
  T* const result = grid.first + group * task.outputs;
  int64_t count = 0, listed = 0;
  for (int64_t y0 = block.y0, y1; y0 < block.y0 + block.rows; y0 = y1) {
    y1 = same_taps(shape.y, y0, block.y0 + block.rows);
    for (int64_t x0 = block.x0, x1; x0 < block.x0 + block.columns; x0 = x1) {
      x1 = same_taps(shape.x, x0, block.x0 + block.columns);
      PixelSegment& segment = segments[count++];
      segment = {listed, block.images * (y1 - y0) * (x1 - x0), shape.y.taps_at(y0), shape.x.taps_at(x0)};
      for (int64_t image = block.image0; image < block.image0 + block.images; image++) {
        for (int64_t y = y0; y < y1; y++) {
          const int64_t row = image * shape.image_stride() + (shape.y.origin + y * shape.y.step) * shape.row_stride();
          for (int64_t x = x0; x < x1; x++, listed++) {
            sources[listed] = source + row + (shape.x.origin + x * shape.x.step) * shape.sourceChannels;
            targets[listed] = result + image * grid.image + y * grid.row + x * grid.column;
          }
        }
      }
    }
  }
  return count;
}

// Copies what one group has of the cells of a block, with zeros around the image, and lists the pixels: one segment.
template <typename T>
inline int64_t list_copied_pixels(const Correlation<T>& task, const PatchRegion& region, int64_t group, const PatchBlock& block, T* memory,
                                  const T** sources, T** targets, PixelSegment* segments) {
  const PatchShape& shape = task.patches;
  const PixelGrid<T>& grid = task.result;
  const T* const cells = prepare_block(region, block, task.source + group * shape.channels, memory);
  T* const result = grid.first + group * task.outputs;
  int64_t listed = 0;
  for (int64_t image = 0; image < block.images; image++) {
    for (int64_t y = 0; y < block.rows; y++) {
      const T* const row = cells + image * region.imageStride + y * region.y.step * region.rowStride;
      T* const to = result + (block.image0 + image) * grid.image + (block.y0 + y) * grid.row + block.x0 * grid.column;
      for (int64_t x = 0; x < block.columns; x++, listed++) {
        sources[listed] = row + x * region.x.step * region.pixelStride;
        targets[listed] = to + x * grid.column;
      }
    }
  }
  segments[0] = {0, listed, {0, shape.y.taps}, {0, shape.x.taps}};
  return 1;
}

// The part of depth [k0, k1) that a segment sums: runs of consecutive k, one per tap row unless whole rows follow each other.
struct DepthRuns {
  int64_t first, end;          // over the whole depth
  int64_t length, step, runs;  // run r starts at first + r·step

  DepthRuns(const PatchShape& shape, const PixelSegment& segment) {
    const int64_t rows = segment.tapRows.end - segment.tapRows.begin, columns = segment.tapColumns.end - segment.tapColumns.begin;
    const bool whole = columns == shape.x.taps;
    const bool none = rows <= 0 || columns <= 0 || shape.channels == 0;
    step = shape.x.taps * shape.channels;
    first = none ? 0 : (segment.tapRows.begin * shape.x.taps + segment.tapColumns.begin) * shape.channels;
    length = none ? 0 : whole ? rows * step : columns * shape.channels;
    runs = none || whole ? 1 : rows;
    end = first + (runs - 1) * step + length;
  }
};

// What one worker needs to correlate a block of pixels.
template <typename T>
struct BlockTables {
  const T* const* sources;
  T* const* targets;
  const int64_t* taps;
  const T *scale, *bias;  // of the group
};

// A panel of filters: depth [k0, k1) of output channels [n0, n1).
template <typename T>
struct FilterPanel {
  int64_t k0, k1, n0, n1;
  const T* first;
  int64_t stride;  // elements from one k to the next
};

// `rows` pixels of a segment, from `p` on in the tables, × one panel.
template <typename T>
inline void correlate_tile(const Correlation<T>& task, const BlockTables<T>& tables, const DepthRuns& runs, int64_t p, int rows,
                           const FilterPanel<T>& panel) {
  GatheredRows<T> a;
  TileOutput<T> out;
  a.row = tables.sources + p;
  out.rows = tables.targets + p;
  out.origin = task.result.first;
  out.first = panel.n0;
  out.columns = panel.n1 - panel.n0;
  const int vectors = static_cast<int>(padded_columns<T>(out.columns) / kLanes<T>);
  const ProductTile<T, GatheredRows<T>> compute = tile_function<T, GatheredRows<T>>(rows, vectors);
  for (int64_t r = 0; r < runs.runs; r++) {
    const int64_t run = runs.first + r * runs.step, begin = max64(run, panel.k0), stop = min64(run + runs.length, panel.k1);
    // A pixel without any tap in the image still gets its bias: an empty run, at the first depth.
    if (begin >= stop && !(runs.length == 0 && panel.k0 == 0)) continue;
    const bool last = stop == runs.end;
    a.offset = tables.taps + begin;
    out.accumulate = begin > runs.first;
    out.scale = last && tables.scale ? tables.scale + panel.n0 : nullptr;
    out.bias = last && tables.bias ? tables.bias + panel.n0 : nullptr;
    out.residual = last ? task.epilogue.residual : nullptr;
    out.activation = last ? task.activation : Activation::none;
    compute(a, panel.first + (begin - panel.k0) * panel.stride, panel.stride, stop - begin, out);
  }
}

// All segments of a block × `count` panels, in tiles of at most `most` rows: each meets all panels before the next.
template <typename T>
inline void correlate_pixels(const Correlation<T>& task, const BlockTables<T>& tables, const PixelSegment* segments, int64_t segmentCount,
                             int most, const FilterPanel<T>* panels, int64_t count) {
  const SubnormalsAsZero mode;
  for (int64_t s = 0; s < segmentCount; s++) {
    const DepthRuns runs(task.patches, segments[s]);
    for (int64_t p = segments[s].first, end = p + segments[s].count; p < end;) {
      const int rows = next_tile_rows(end - p, most);
      for (int64_t i = 0; i < count; i++) correlate_tile(task, tables, runs, p, rows, panels[i]);
      p += rows;
    }
  }
}

// Blocks [block0, block1) of pixels × panels [panel0, panel1) of one group, by one worker with its own memory.
template <typename T>
inline void correlate_blocks(const Correlation<T>& task, const CorrelationPlan<T>& plan, const int64_t* taps, int64_t block0, int64_t block1,
                             int64_t group, int64_t panel0, int64_t panel1, char* memory) {
  const T** const sources = reinterpret_cast<const T**>(memory);
  T** const targets = reinterpret_cast<T**>(memory + plan.tableBytes);
  PixelSegment* const segments = reinterpret_cast<PixelSegment*>(memory + 2 * plan.tableBytes);
  T* const packed = reinterpret_cast<T*>(memory + 2 * plan.tableBytes + plan.segmentBytes);
  T* const cells = reinterpret_cast<T*>(memory + 2 * plan.tableBytes + plan.segmentBytes + plan.panelBytes);
  const auto ofGroup = [&](const T* perChannel) { return perChannel ? perChannel + group * task.outputs : nullptr; };
  const BlockTables<T> tables = {sources, targets, taps, ofGroup(task.epilogue.scale), ofGroup(task.epilogue.bias)};
  const auto list = [&](int64_t index) {
    const PatchBlock block = block_at(task.patches, plan.blocks, index);
    return plan.narrow ? list_copied_pixels(task, plan.region, group, block, cells, sources, targets, segments)
                       : list_pixels(task, group, block, sources, targets, segments);
  };
  const auto panel_at = [&](int64_t panel, int64_t k0, T* to) -> FilterPanel<T> {
    const int64_t n0 = plan.panels.first(panel), n1 = plan.panels.first(panel + 1), k1 = min64(plan.depth, k0 + plan.depthBlock);
    if (plan.inPlace) {
      const T* const first = task.filters.first + group * task.filterGroupStride + k0 * task.filters.ld + n0;
      return {k0, k1, n0, n1, first, task.filters.ld};
    }
    const int64_t width = padded_columns<T>(n1 - n0);
    if (task.packed) {
      const T* const own = task.packed + group * plan.depth * padded_columns<T>(task.outputs);
      return {k0, k1, n0, n1, own + packed_offset(plan.panels, k0, k1, panel), width};
    }
    pack_filters(task, group, k0, k1, n0, n1, to);
    return {k0, k1, n0, n1, to, width};
  };
  if (plan.small) {
    FilterPanel<T> panels[kSmallFilterVectors];
    T* to = packed;
    for (int64_t i = panel0; i < panel1; i++) {
      panels[i - panel0] = panel_at(i, 0, to);
      to += plan.depth * padded_columns<T>(panels[i - panel0].n1 - panels[i - panel0].n0);
    }
    for (int64_t block = block0; block < block1; block++) {
      correlate_pixels(task, tables, segments, list(block), plan.rows, panels, panel1 - panel0);
    }
    return;
  }
  for (int64_t block = block0; block < block1; block++) {
    const int64_t count = list(block);
    int64_t k0 = 0;
    do {
      for (int64_t i = panel0; i < panel1; i++) {
        const FilterPanel<T> panel = panel_at(i, k0, packed);
        correlate_pixels(task, tables, segments, count, plan.rows, &panel, 1);
      }
      k0 += plan.depthBlock;
    } while (k0 < plan.depth);
  }
}

template <typename T>
inline void correlate(const Correlation<T>& task, const Parallel& parallel, void* scratch) {
  const PatchShape& shape = task.patches;
  const CorrelationPlan<T> plan(shape, task.groups, task.outputs, task.filters.transposed, task.packed != nullptr, parallel.threads);
  char* const memory = static_cast<char*>(scratch);
  int64_t* const taps = reinterpret_cast<int64_t*>(memory);
  char* const workers = memory + plan.tapBytes;
  if (plan.narrow) fill_tap_offsets(shape, plan.region.tap_row(), plan.region.tap_column(), taps);
  else fill_tap_offsets(shape, shape.y.tapStep * shape.row_stride(), shape.x.tapStep * shape.sourceChannels, taps);
  parallel_for(parallel, plan.tasks(), [&](int64_t index, int worker) {
    const int64_t panel0 = index % plan.panelTasks * plan.panelsPerTask, panel1 = min64(plan.panels.count, panel0 + plan.panelsPerTask);
    const int64_t group0 = index / plan.panelTasks % plan.groupTasks * plan.groupsPerTask;
    const int64_t block0 = index / (plan.panelTasks * plan.groupTasks) * plan.blocksPerTask;
    const int64_t block1 = min64(plan.blocks.count(), block0 + plan.blocksPerTask);
    for (int64_t group = group0; group < min64(task.groups, group0 + plan.groupsPerTask); group++) {
      correlate_blocks(task, plan, taps, block0, block1, group, panel0, panel1, workers + worker * plan.worker());
    }
  });
}

}  // namespace nagare::NAGARE_ISA
