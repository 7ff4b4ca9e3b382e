// Packing of a correlation's filters into panels.
#pragma once

#include "conv_correlation.h"
#include "gemm_pack.h"
#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {

// Packs depth [k0, k1) of output channels [n0, n1) of one group. Panels of a depth block follow each other at `packed`, block after block.
template <typename T>
inline void pack_filters(const Correlation<T>& task, const CorrelationPlan<T>& plan, int64_t group, int64_t k0, int64_t k1, int64_t n0,
                         int64_t n1, T* packed) {
  const FilterView<T>& view = task.filters;
  const T* const base = view.first + group * task.filterGroupStride;
  const int64_t channels = task.patches.channels, taps = task.patches.x.taps;
  const int64_t step = view.transposed ? channels : 8;
  for (int64_t k = k0; k < k1;) {
    const int64_t tap = k / channels, c = k % channels;
    const int64_t block0 = k / plan.depthBlock * plan.depthBlock, block1 = min64(plan.depth, block0 + plan.depthBlock);
    const int64_t count = min64(min64(step, channels - c), min64(k1, block1) - k);
    const T* const from = base + tap / taps * view.tapRow + tap % taps * view.tapColumn;
    T* const block = packed + group * plan.packedGroup + block0 * plan.columns;
    for (int64_t n = n0; n < n1; n += kTileColumns<T>) {
      const int64_t columns = min64(kTileColumns<T>, n1 - n), width = padded_columns<T>(columns);
      T* const to = block + n * (block1 - block0) + (k - block0) * width;
      if (view.transposed) pack_across(from + n * view.ld + c, view.ld, columns, count, to, width);
      else pack_along(from + c * view.ld + n, view.ld, columns, count, to, width);
    }
    k += count;
  }
}

// Packs all filters. Tasks follow the memory order of the filters, so that each page of them is visited by one task.
template <typename T>
inline void pack_all_filters(const Correlation<T>& task, const CorrelationPlan<T>& plan, const Parallel& parallel, T* packed) {
  constexpr int64_t elements = int64_t(1) << 14;  // per task
  const int64_t across = round_up(max64(1, elements / max64(1, plan.depth)), kTileColumns<T>);
  const int64_t along = round_up(max64(1, elements / plan.columns), 8);
  const bool byPanel = task.filters.transposed;
  const int64_t tasks = byPanel ? divide_up(task.outputs, across) : divide_up(plan.depth, along);
  parallel_for(parallel, task.groups * tasks, [&](int64_t index, int) {
    const int64_t group = index / tasks, i = index % tasks;
    if (byPanel) pack_filters(task, plan, group, 0, plan.depth, i * across, min64(task.outputs, (i + 1) * across), packed);
    else pack_filters(task, plan, group, i * along, min64(plan.depth, (i + 1) * along), 0, task.outputs, packed);
  });
}

}  // namespace nagare::NAGARE_ISA
