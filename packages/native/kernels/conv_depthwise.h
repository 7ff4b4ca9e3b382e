// Depthwise convolution: one filter per channel (groups = inC = outC). There is no sum over channels and so no matrix product; vectors
// run over channels and memory traffic is the limit.
#pragma once

#include "conv_correlation.h"

namespace nagare::NAGARE_ISA {

inline bool is_depthwise(const Conv2dParams& p) { return p.groups > 1 && p.groups == p.inC && p.groups == p.outC; }

// A correlation whose groups are single channels. T: float, double.
template <typename T>
void correlate_depthwise(const Correlation<T>& task, const Parallel& parallel);

template <typename T>
void depthwise_filter_gradient(const Conv2dParams& params, const T* x, const T* dy, T* dw, const Parallel& parallel, void* scratch);

template <typename T>
size_t depthwise_filter_gradient_scratch_bytes(const Conv2dParams& params);

}  // namespace nagare::NAGARE_ISA
