// Correlation of an image with filters as an implicit matrix product: the forward pass, and per stride phase the input gradient.
#pragma once

#include "conv_filters.h"

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

// Depth [k0, k1) of one segment × output channels [n0, n1), whose packed panels begin at `packed`.
template <typename T>
inline void correlate_segment(const Correlation<T>& task, const BlockTables<T>& tables, const PixelSegment& segment, int64_t k0, int64_t k1,
                              int64_t n0, int64_t n1, const T* packed) {
  const DepthRuns runs(task.patches, segment);
  GatheredRows<T> a;
  TileOutput<T> out;
  out.origin = task.result.first;
  for (int64_t p = segment.first, end = p + segment.count; p < end;) {
    const int rows = next_tile_rows(end - p);
    a.row = tables.sources + p;
    out.rows = tables.targets + p;
    for (int64_t n = n0; n < n1; n += kTileColumns<T>) {
      out.columns = min64(kTileColumns<T>, n1 - n);
      const int vectors = tile_vectors<T>(out.columns);
      const int64_t width = vectors * kLanes<T>;
      const T* const panel = packed + (n - n0) * (k1 - k0);
      const TileFunction<T, GatheredRows<T>> compute = tile_function<T, GatheredRows<T>>(rows, vectors);
      out.first = n;
      for (int64_t r = 0; r < runs.runs; r++) {
        const int64_t run = runs.first + r * runs.step, begin = max64(run, k0), stop = min64(run + runs.length, k1);
        // A pixel without any tap in the image still gets its bias: an empty run, at the first depth.
        if (begin >= stop && !(runs.length == 0 && k0 == 0)) continue;
        const bool last = stop == runs.end;
        a.offset = tables.taps + begin;
        out.accumulate = begin > runs.first;
        out.scale = last && tables.scale ? tables.scale + n : nullptr;
        out.bias = last && tables.bias ? tables.bias + n : nullptr;
        out.residual = last ? task.epilogue.residual : nullptr;
        out.activation = last ? task.activation : Activation::none;
        compute(a, panel + (begin - k0) * width, width, stop - begin, out);
      }
    }
    p += rows;
  }
}

template <typename T>
inline void correlate(const Correlation<T>& task, const Parallel& parallel, void* scratch) {
  const PatchShape& shape = task.patches;
  const CorrelationPlan<T> plan(shape, task.outputs);
  char* const memory = static_cast<char*>(scratch);
  int64_t* const taps = reinterpret_cast<int64_t*>(memory);
  T* const packed = reinterpret_cast<T*>(memory + plan.tapBytes);
  char* const workers = memory + plan.tapBytes + plan.packed(task.groups);
  constexpr int64_t width = kTileColumns<T>;
  const int64_t panels = divide_up(task.outputs, width);

  if (plan.narrow) fill_tap_offsets(shape, plan.region.tap_row(), plan.region.tap_column(), taps);
  else fill_tap_offsets(shape, shape.y.tapStep * shape.row_stride(), shape.x.tapStep * shape.sourceChannels, taps);
  pack_all_filters(task, plan, parallel, packed);

  // Few blocks (one small image): the output channels are split too.
  const int64_t blocks = plan.blocks.count() * task.groups, wanted = 4 * int64_t(parallel.threads);
  const int64_t splits = parallel.threads == 1 ? 1 : max64(1, min64(divide_up(wanted, blocks), panels));
  const int64_t columnsPerTask = divide_up(panels, splits) * width;
  const int64_t tasksPerBlock = divide_up(task.outputs, columnsPerTask);
  // Narrow groups share lines: one thread takes neighbours.
  const int64_t groupsPerTask = plan.narrow ? max64(1, task.groups / max64(1, divide_up(wanted, plan.blocks.count()))) : 1;
  const int64_t groupTasks = divide_up(task.groups, groupsPerTask);
  const auto correlate_block = [&](const PatchBlock& block, int64_t group, int64_t n0, int64_t n1, int worker) {
    char* const own = workers + worker * plan.worker();
    const T** const sources = reinterpret_cast<const T**>(own);
    T** const targets = reinterpret_cast<T**>(own + plan.tableBytes);
    PixelSegment* const segments = reinterpret_cast<PixelSegment*>(own + 2 * plan.tableBytes);
    T* const cells = reinterpret_cast<T*>(own + 2 * plan.tableBytes + plan.segmentBytes);
    const int64_t count = plan.narrow ? list_copied_pixels(task, plan.region, group, block, cells, sources, targets, segments)
                                      : list_pixels(task, group, block, sources, targets, segments);
    const auto ofGroup = [&](const T* perChannel) { return perChannel ? perChannel + group * task.outputs : nullptr; };
    const BlockTables<T> tables = {sources, targets, taps, ofGroup(task.epilogue.scale), ofGroup(task.epilogue.bias)};
    // Small filters stay in L1 together, and a tile of pixels meets all of them at once; of large ones one panel stays there.
    const bool small = plan.depthBlock * (n1 - n0) * static_cast<int64_t>(sizeof(T)) <= (1 << 14);
    const int64_t atOnce = small ? n1 - n0 : width;
    int64_t k0 = 0;
    do {
      const int64_t k1 = min64(plan.depth, k0 + plan.depthBlock);
      const T* const filters = packed + group * plan.packedGroup + k0 * plan.columns;
      for (int64_t n = n0; n < n1; n += atOnce) {
        for (int64_t s = 0; s < count; s++) {
          correlate_segment(task, tables, segments[s], k0, k1, n, min64(n1, n + atOnce), filters + n * (k1 - k0));
        }
      }
      k0 = k1;
    } while (k0 < plan.depth);
  };
  parallel_for(parallel, plan.blocks.count() * groupTasks * tasksPerBlock, [&](int64_t index, int worker) {
    const int64_t n0 = index % tasksPerBlock * columnsPerTask, n1 = min64(task.outputs, n0 + columnsPerTask);
    const int64_t group0 = index / tasksPerBlock % groupTasks * groupsPerTask, group1 = min64(task.groups, group0 + groupsPerTask);
    const PatchBlock block = block_at(shape, plan.blocks, index / (tasksPerBlock * groupTasks));
    for (int64_t group = group0; group < group1; group++) correlate_block(block, group, n0, n1, worker);
  });
}

}  // namespace nagare::NAGARE_ISA
