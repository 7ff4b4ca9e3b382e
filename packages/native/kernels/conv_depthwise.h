// Depthwise convolution: each input channel is a group of its own, with one filter or a few. There is no sum over channels and so no
// matrix product; vectors run over output channels and memory traffic is the limit. Where there are several filters for each channel,
// rows of the image are copied with every channel repeated, or rows of its gradient summed.
#pragma once

#include "conv_correlation.h"

namespace nagare::NAGARE_ISA {

// With more filters for a channel, each group is a product wide enough for a tile.
constexpr int64_t kMostMultiplied = 8;

inline bool is_depthwise(const Conv2dParams& p) {
  return p.groups > 1 && p.groups == p.inC && p.outC > 0 && p.outC <= kMostMultiplied * p.groups;
}

// A correlation whose groups have single channels, either in the source or in the result. T: float, double.
template <typename T>
void correlate_depthwise(const Correlation<T>& task, const Parallel& parallel, void* scratch);

// `multiplier`: output channels for each input channel of the convolution.
template <typename T>
size_t correlate_depthwise_scratch_bytes(const PatchShape& patches, int64_t groups, int64_t multiplier, int threads);

template <typename T>
void depthwise_filter_gradient(const Conv2dParams& params, const T* x, const T* dy, T* dw, const Parallel& parallel, void* scratch);

template <typename T>
size_t depthwise_filter_gradient_scratch_bytes(const Conv2dParams& params, int threads);

}  // namespace nagare::NAGARE_ISA
