// Forward pass and input gradient of the two-dimensional convolution.
#include "conv.h"

#include "conv_correlate.h"
#include "conv_depthwise.h"
#include "conv_epilogue.h"
#include "conv_phase.h"
#include "conv_pointwise.h"
#include "conv_winograd.h"

namespace nagare::NAGARE_ISA {
namespace {

// A product packs its right factor once and a correlation packs filters for every block of pixels, but beside their use: that is faster for
// up to so many pixels, fewer where packing transposes.
constexpr int64_t kFewPixels = 4096, kFewPixelsTransposed = 512;

// Filters are worth laying out in advance if they are at least so large, and used for at most so many pixels.
constexpr int64_t kLeastPackedBytes = 1 << 16, kMostPackedPixels = 1024;

bool is_product(const Conv2dParams& p, int64_t fewPixels) { return p.batch * p.outH * p.outW > fewPixels && is_pointwise(p); }

// Multiply-adds that an element of an epilogue is worth.
constexpr int64_t kEpilogueCost = 4;

// The epilogue of a pointwise convolution on runs of finished elements of its product.
template <typename T>
struct PointwiseEpilogue {
  const ConvEpilogue<T>* epilogue;
  Activation activation;
  int64_t channels;
  T* y;

  void apply(int64_t first, int64_t last) const {
    while (first < last) {
      const int64_t channel = first % channels, count = min64(last - first, channels - channel);
      for_lanes<T, 4>(count, [&](auto block, int64_t i) {
        constexpr int V = block.vectors, L = block.lanes;
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
          const int64_t offset = i + v * L;
          T* const to = y + first + offset;
          store<T, L>(to, apply_epilogue<T, L>(*epilogue, activation, load<T, L>(to), channel + offset, first + offset));
        }
      });
      first += count;
    }
  }

  Finish finish() const {
    const auto run = [](const void* context, int, int64_t first, int64_t last) {
      static_cast<const PointwiseEpilogue*>(context)->apply(first, last);
    };
    return {run, this, kEpilogueCost};
  }
};

template <typename T>
void multiply_pointwise(const Conv2dParams& p, const T* x, const T* w, const ConvEpilogue<T>& epilogue, T* y, const Parallel& parallel,
                        void* scratch) {
  GemmParams g = pointwise_product(p);
  // A tile knows no more of an epilogue than a bias and a rectifier; all else is done to finished rows, while they are in the cache.
  if (!epilogue.scale && !epilogue.residual && p.activation != Activation::relu6) {
    return gemm(g, x, w, y, epilogue.bias, parallel, scratch);
  }
  const PointwiseEpilogue<T> rest = {&epilogue, p.activation, p.outC, y};
  const Finish finish = rest.finish();
  g.activation = Activation::none;
  g.finish = &finish;
  gemm<T>(g, x, w, y, nullptr, parallel, scratch);
}

// With an epilogue or without: a product that does more shares its work among more threads.
template <typename T>
size_t pointwise_scratch(const Conv2dParams& p, int threads) {
  GemmParams g = pointwise_product(p);
  const Finish finish = {nullptr, nullptr, kEpilogueCost};
  g.finish = &finish;
  return gemm_scratch_bytes<T>(g, threads);
}

// One forward correlation over all groups.
template <typename T>
Correlation<T> forward_correlation(const Conv2dParams& p, const T* x, const T* w, const ConvEpilogue<T>& epilogue, T* y) {
  const int64_t outputs = p.outC / p.groups, tap = p.inC / p.groups * p.outC;
  return {forward_patches(p), p.groups, outputs, x, {w, p.kW * tap, tap, p.outC, false}, outputs,
          {y, p.outH * p.outW * p.outC, p.outW * p.outC, p.outC}, epilogue, p.activation};
}

// The input gradient of the cells of one phase. It runs through the taps backwards, as the axes of stride_phase do.
template <typename T>
Correlation<T> phase_correlation(const Conv2dParams& p, const StridePhase& y, const StridePhase& x, const T* dy, const T* w, T* dx) {
  const int64_t tap = p.inC / p.groups * p.outC;
  const int64_t lastY = y.firstTap + (y.axis.taps - 1) * y.tapPeriod, lastX = x.firstTap + (x.axis.taps - 1) * x.tapPeriod;
  const PatchShape patches = phase_patches(p, y, x);
  const T* last = patches.channels > 0 ? w + (lastY * p.kW + lastX) * tap : w;
  return {patches, p.groups, p.inC / p.groups, dy, {last, -y.tapPeriod * p.kW * tap, -x.tapPeriod * tap, p.outC, true}, p.outC / p.groups,
          {dx + (y.firstCell * p.inW + x.firstCell) * p.inC, p.inH * p.inW * p.inC, p.strideH * p.inW * p.inC, p.strideW * p.inC},
          {}, Activation::none};
}

// Filters of small groups with the two channels of each exchanged: the input gradient is then computed as the forward pass is.
template <typename T>
void exchange_channels(const Conv2dParams& p, const T* w, T* exchanged) {
  const int64_t own = p.inC / p.groups;
  for (int64_t tap = 0; tap < p.kH * p.kW; tap++) {
    const T* const from = w + tap * own * p.outC;
    T* const to = exchanged + tap * own * p.outC;
    for (int64_t i = 0; i < own; i++) {
      for (int64_t c = 0; c < p.outC; c++) to[i * p.outC + c] = from[c % own * p.outC + (c - c % own) + i];
    }
  }
}

// Elements of exchanged filters, in whole cache lines.
int64_t exchanged_elements(const Conv2dParams& p) { return round_up(p.kH * p.kW * (p.inC / p.groups) * p.outC, 16); }

// One correlation in the way that is fastest.
template <typename T>
void correlate_fastest(const Correlation<T>& task, const Parallel& parallel, void* scratch) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (prefers_winograd(task.patches, task.outputs)) return correlate_winograd(task, parallel, scratch);
  }
  correlate(task, parallel, scratch);
}

template <typename T>
size_t correlate_scratch_bytes(const PatchShape& patches, int64_t groups, int64_t outputs, bool transposed, int threads) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (prefers_winograd(patches, outputs)) return correlate_winograd_scratch_bytes(patches, outputs, false, threads);
  }
  return CorrelationPlan<T>(patches, groups, outputs, transposed, false, threads).scratch(threads);
}

// Filters that were laid out in advance, whose layout says which way is meant.
template <typename T>
void correlate_packed(const Conv2dParams& p, const Correlation<T>& task, const Parallel& parallel, void* scratch) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (p.filters == FilterLayout::points) return correlate_winograd(task, parallel, scratch);
  }
  correlate(task, parallel, scratch);
}

template <typename T>
size_t correlate_packed_scratch_bytes(const Conv2dParams& p, int threads) {
  const PatchShape patches = forward_patches(p);
  const int64_t outputs = p.outC / p.groups;
  if (p.filters == FilterLayout::points) return correlate_winograd_scratch_bytes(patches, outputs, true, threads);
  return CorrelationPlan<T>(patches, p.groups, outputs, false, true, threads).scratch(threads);
}

template <typename T>
void forward(const Conv2dParams& p, const T* x, const T* w, const ConvEpilogue<T>& epilogue, T* y, const Parallel& parallel,
             void* scratch) {
  if (p.batch * p.outH * p.outW * p.outC == 0) return;
  if (p.filters != FilterLayout::plain) {
    Correlation<T> task = forward_correlation(p, x, w, epilogue, y);
    task.packed = w;
    return correlate_packed(p, task, parallel, scratch);
  }
  if (is_product(p, kFewPixels)) return multiply_pointwise(p, x, w, epilogue, y, parallel, scratch);
  const Correlation<T> task = forward_correlation(p, x, w, epilogue, y);
  if (is_depthwise(p) || has_small_groups<T>(p)) correlate_depthwise(task, parallel, scratch);
  else correlate_fastest(task, parallel, scratch);
}

template <typename T>
size_t forward_scratch(const Conv2dParams& p, int threads) {
  if (p.batch * p.outH * p.outW * p.outC == 0) return 0;
  if (p.filters != FilterLayout::plain) return correlate_packed_scratch_bytes<T>(p, threads);
  if (is_product(p, kFewPixels)) return pointwise_scratch<T>(p, threads);
  if (is_depthwise(p)) return correlate_depthwise_scratch_bytes<T>(forward_patches(p), p.groups, p.outC / p.groups, threads);
  if (has_small_groups<T>(p)) return 0;
  return correlate_scratch_bytes<T>(forward_patches(p), p.groups, p.outC / p.groups, false, threads);
}

template <typename T>
void input_gradient(const Conv2dParams& p, const T* dy, const T* w, T* dx, const Parallel& parallel, void* scratch) {
  if (p.batch * p.inH * p.inW * p.inC == 0) return;
  if (is_product(p, kFewPixelsTransposed)) return gemm<T>(pointwise_input_gradient(p), dy, w, dx, nullptr, parallel, scratch);
  const bool small = has_small_groups<T>(p);
  T* const exchanged = static_cast<T*>(scratch);
  if (small) {
    exchange_channels(p, w, exchanged);
    scratch = exchanged + exchanged_elements(p);
  }
  for_each_phase(p, [&](const StridePhase& y, const StridePhase& x) {
    // A phase that no tap reaches has no filters to exchange.
    const bool exchanges = small && y.axis.taps > 0 && x.axis.taps > 0;
    Correlation<T> task = phase_correlation(p, y, x, dy, exchanges ? exchanged : w, dx);
    task.filters.transposed = !exchanges;
    if (is_depthwise(p) || exchanges) correlate_depthwise(task, parallel, scratch);
    else correlate_fastest(task, parallel, scratch);
  });
}

template <typename T>
size_t input_gradient_scratch(const Conv2dParams& p, int threads) {
  if (p.batch * p.inH * p.inW * p.inC == 0) return 0;
  if (is_product(p, kFewPixelsTransposed)) return gemm_scratch_bytes<T>(pointwise_input_gradient(p), threads);
  size_t most = 0;
  for_each_phase(p, [&](const StridePhase& y, const StridePhase& x) {
    const PatchShape patches = phase_patches(p, y, x);
    const size_t bytes = is_depthwise(p) ? correlate_depthwise_scratch_bytes<T>(patches, p.groups, p.outC / p.groups, threads)
                                         : correlate_scratch_bytes<T>(patches, p.groups, p.inC / p.groups, true, threads);
    if (bytes > most) most = bytes;
  });
  if (has_small_groups<T>(p)) most += static_cast<size_t>(exchanged_elements(p)) * sizeof(T);
  return most;
}

}  // namespace

template <>
void conv2d(const Conv2dParams& params, const float* x, const float* w, const ConvEpilogue<float>& epilogue, float* y, const Parallel& parallel,
            void* scratch) {
  forward(params, x, w, epilogue, y, parallel, scratch);
}

template <>
void conv2d(const Conv2dParams& params, const double* x, const double* w, const ConvEpilogue<double>& epilogue, double* y, const Parallel& parallel,
            void* scratch) {
  forward(params, x, w, epilogue, y, parallel, scratch);
}

template <>
void conv2d_input_gradient(const Conv2dParams& params, const float* dy, const float* w, float* dx, const Parallel& parallel,
                           void* scratch) {
  input_gradient(params, dy, w, dx, parallel, scratch);
}

template <>
void conv2d_input_gradient(const Conv2dParams& params, const double* dy, const double* w, double* dx, const Parallel& parallel,
                           void* scratch) {
  input_gradient(params, dy, w, dx, parallel, scratch);
}

template <typename T>
FilterLayout conv2d_filter_layout(const Conv2dParams& p) {
  const PatchShape patches = forward_patches(p);
  const int64_t outputs = p.outC / p.groups, pixels = patches.pixels();
  const int64_t bytes = patches.depth() * p.outC * static_cast<int64_t>(sizeof(T));
  if (pixels == 0 || pixels > kMostPackedPixels || bytes < kLeastPackedBytes) return FilterLayout::plain;
  if (is_depthwise(p) || has_small_groups<T>(p)) return FilterLayout::plain;
  if constexpr (sizeof(T) == sizeof(float)) {
    if (prefers_winograd(patches, outputs, true)) return FilterLayout::points;
  }
  if (CorrelationPlan<T>(patches, p.groups, outputs, false, false, 1).inPlace) return FilterLayout::plain;
  return FilterLayout::panels;
}

template <typename T>
void conv2d_pack(const Conv2dParams& p, const T* w, T* packed, const Parallel& parallel) {
  const Correlation<T> task = forward_correlation<T>(p, nullptr, w, {}, nullptr);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (p.filters == FilterLayout::points) return pack_winograd(task, packed, parallel);
  }
  pack_all_filters(task, packed, parallel);
}

template <typename T>
int64_t conv2d_packed_elements(const Conv2dParams& p) {
  const PatchShape patches = forward_patches(p);
  const int64_t outputs = p.outC / p.groups;
  if (p.filters == FilterLayout::points) return p.groups * packed_winograd_elements(patches, outputs);
  return p.groups * patches.depth() * padded_columns<T>(outputs);
}

template FilterLayout conv2d_filter_layout<float>(const Conv2dParams&);
template FilterLayout conv2d_filter_layout<double>(const Conv2dParams&);
template void conv2d_pack(const Conv2dParams&, const float*, float*, const Parallel&);
template void conv2d_pack(const Conv2dParams&, const double*, double*, const Parallel&);
template int64_t conv2d_packed_elements<float>(const Conv2dParams&);
template int64_t conv2d_packed_elements<double>(const Conv2dParams&);

template <typename T>
size_t conv2d_scratch_bytes(const Conv2dParams& params, int threads) {
  return forward_scratch<T>(params, threads);
}

template <typename T>
size_t conv2d_input_gradient_scratch_bytes(const Conv2dParams& params, int threads) {
  return input_gradient_scratch<T>(params, threads);
}

template size_t conv2d_scratch_bytes<float>(const Conv2dParams&, int);
template size_t conv2d_scratch_bytes<double>(const Conv2dParams&, int);
template size_t conv2d_input_gradient_scratch_bytes<float>(const Conv2dParams&, int);
template size_t conv2d_input_gradient_scratch_bytes<double>(const Conv2dParams&, int);

}  // namespace nagare::NAGARE_ISA
