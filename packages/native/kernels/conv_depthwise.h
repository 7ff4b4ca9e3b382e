// Depthwise convolution: each input channel is a group of its own, with one filter or a few. There is no sum over channels and so no
// matrix product; vectors run over output channels and memory traffic is the limit. Where there are several filters for each channel,
// rows of the image are copied with every channel repeated, or rows of its gradient summed.
//
// Groups of a few channels are computed in the same way, but for the gradient of their filters: a vector of the source stands for each
// channel of its groups in turn.
#pragma once

#include "conv_correlation.h"

namespace nagare::NAGARE_ISA {

// With more filters for a channel, each group is a product wide enough for a tile.
constexpr int64_t kMostMultiplied = 8;

inline bool is_depthwise(const Conv2dParams& p) {
  return p.groups > 1 && p.groups == p.inC && p.outC > 0 && p.outC <= kMostMultiplied * p.groups;
}

// Groups of 2, 4 or 8 channels, as many in the result, that fill vectors: narrower than the tiles of a product.
template <typename T>
inline bool has_small_groups(const Conv2dParams& p) {
  const int64_t own = p.inC / p.groups;
  const bool small = own == 2 || own == 4 || own == 8;
  return sizeof(T) == sizeof(float) && small && own <= kLanes<T> && p.outC == p.inC && p.outC % kLanes<T> == 0;
}

// A correlation whose groups have single channels, either in the source or in the result, or are small and its filters not transposed.
// T: float, double.
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
