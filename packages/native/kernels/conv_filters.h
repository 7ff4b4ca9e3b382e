// Packing of a correlation's filters into panels.
#pragma once

#include "conv_correlation.h"
#include "gemm_pack.h"
#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {

// Packs depth [k0, k1) of output channels [n0, n1) of one group as one panel.
template <typename T>
inline void pack_filters(const Correlation<T>& task, int64_t group, int64_t k0, int64_t k1, int64_t n0, int64_t n1, T* panel) {
  const FilterView<T>& view = task.filters;
  const T* const base = view.first + group * task.filterGroupStride;
  const int64_t channels = task.patches.channels, taps = task.patches.x.taps;
  const int64_t width = padded_columns<T>(n1 - n0);
  for (int64_t k = k0; k < k1;) {
    const int64_t tap = k / channels, c = k % channels, count = min64(channels - c, k1 - k);
    const T* const from = base + tap / taps * view.tapRow + tap % taps * view.tapColumn;
    if (view.transposed) pack_across(from + n0 * view.ld + c, view.ld, n1 - n0, count, panel, width);
    else pack_along(from + c * view.ld + n0, view.ld, n1 - n0, count, panel, width);
    k += count, panel += count * width;
  }
}

// Packs all filters in panels of kPackedVectors. Of `task`, what is result or source does not matter.
template <typename T>
inline void pack_all_filters(const Correlation<T>& task, T* packed, const Parallel& parallel) {
  const int64_t depth = task.patches.depth();
  const FilterPanels<T> panels(task.outputs, kPackedVectors);
  const int64_t block = panel_depth(depth, panels), blocks = divide_up(depth, block);
  parallel_for(parallel, task.groups * blocks, [&](int64_t index, int) {
    const int64_t group = index / blocks, k0 = index % blocks * block, k1 = min64(depth, k0 + block);
    T* const to = packed + group * depth * padded_columns<T>(task.outputs);
    for (int64_t panel = 0; panel < panels.count; panel++) {
      pack_filters(task, group, k0, k1, panels.first(panel), panels.first(panel + 1), to + packed_offset(panels, k0, k1, panel));
    }
  });
}

}  // namespace nagare::NAGARE_ISA
