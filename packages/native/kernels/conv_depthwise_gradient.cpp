// Filter gradient of a depthwise convolution: for each tap and channel, a sum over pixels of products.
#include "conv_bands.h"
#include "conv_depthwise.h"
#include "conv_phase.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {
namespace {

// Elements between neighbouring taps, and between what neighbouring outputs read or are, along both axes.
struct TapStrides {
  int64_t tapRow, tapColumn, readRow, readColumn, outputRow, outputColumn;
};

// sum[r][k][c] += Σ over rows × columns of outputs of x[r][k][c]·dy[c] for R × K taps and V vectors of L channels: dy is loaded once for
// all taps, whose sums stay in registers and are enough to hide the latency of the multiply-add.
template <typename T, int R, int K, int V, int L>
NAGARE_INLINE void accumulate_taps(const T* x, const TapStrides& strides, const T* dy, int64_t rows, int64_t columns, T* sum, int64_t sumRow,
                                   int64_t sumColumn) {
  typedef typename VectorOf<T, L>::type Vector;
  Vector acc[R][K][V];
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
    for (int k = 0; k < K; k++) {
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) acc[r][k][v] = load<T, L>(sum + r * sumRow + k * sumColumn + v * L);
    }
  }
  for (int64_t y = 0; y < rows; y++) {
    for (int64_t i = 0; i < columns; i++) {
      const T* const read = x + y * strides.readRow + i * strides.readColumn;
      const T* const output = dy + y * strides.outputRow + i * strides.outputColumn;
      Vector cotangent[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) cotangent[v] = load<T, L>(output + v * L);
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
        for (int k = 0; k < K; k++) {
#pragma GCC unroll 4
          for (int v = 0; v < V; v++) acc[r][k][v] += cotangent[v] * load<T, L>(read + r * strides.tapRow + k * strides.tapColumn + v * L);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
    for (int k = 0; k < K; k++) {
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) store<T, L>(sum + r * sumRow + k * sumColumn + v * L, acc[r][k][v]);
    }
  }
}

// add(K taps, first tap, outputs) for the outputs that see all K taps from tx on, and for each tap alone at those that see no others.
template <typename Taps, typename Add>
NAGARE_INLINE void add_taps(const PatchAxis& axis, int64_t tx, Taps taps, const Add& add) {
  IndexRange common = {0, axis.outputs};
  for (int k = 0; k < taps.vectors; k++) {
    const IndexRange outputs = axis.outputs_at(tx + k);
    common = {max64(common.begin, outputs.begin), min64(common.end, outputs.end)};
  }
  if (common.begin >= common.end) common = {0, 0};
  add(taps, tx, common);
  for (int k = 0; k < taps.vectors; k++) {
    const IndexRange outputs = axis.outputs_at(tx + k);
    if (common.end == 0) {
      add(Lanes<1, 1>{}, tx + k, outputs);
    } else {
      add(Lanes<1, 1>{}, tx + k, {outputs.begin, min64(outputs.end, common.begin)});
      add(Lanes<1, 1>{}, tx + k, {max64(outputs.begin, common.end), outputs.end});
    }
  }
}

// Adds rows [y0, y1) of output pixels of an image to R rows of taps from ty on, which are inside the image at all of them.
template <typename T, int R>
NAGARE_NOINLINE void accumulate_rows(const PatchShape& shape, const T* x, const T* dy, T* sum, int64_t y0, int64_t y1, int64_t ty) {
  const PatchAxis &ay = shape.y, &ax = shape.x;
  const int64_t channels = shape.sourceChannels, rowStride = shape.row_stride(), sumRow = ax.taps * channels;
  const TapStrides strides = {ay.tapStep * rowStride, ax.tapStep * channels, ay.step * rowStride,
                              ax.step * channels,     ax.outputs * channels, channels};
  const T* const row = x + (ay.origin + y0 * ay.step + ty * ay.tapStep) * rowStride;
  const T* const cotangent = dy + y0 * strides.outputRow;
  // Adds K taps from tx on at some columns of outputs.
  const auto add = [&](auto taps, int64_t tx, IndexRange outputs) {
    if (outputs.begin >= outputs.end) return;
    const T* const from = row + (ax.origin + outputs.begin * ax.step + tx * ax.tapStep) * channels;
    // Two vectors of nine sums each need more than sixteen registers.
    constexpr int K = taps.vectors, wide = 2 * R * K + 4 <= kVectorRegisters ? 2 : 1;
    for_lanes<T, wide>(channels, [&](auto block, int64_t c) {
      accumulate_taps<T, R, K, block.vectors, block.lanes>(from + c, strides, cotangent + outputs.begin * channels + c, y1 - y0,
                                                           outputs.end - outputs.begin, sum + ty * sumRow + tx * channels + c, sumRow, channels);
    });
  };
  for (int64_t tx = 0; tx < ax.taps;) {
    const int64_t left = ax.taps - tx;
    if (left >= 3) {
      add_taps(ax, tx, Lanes<3, 1>{}, add);
      tx += 3;
    } else if (left == 2) {
      add_taps(ax, tx, Lanes<2, 1>{}, add);
      tx += 2;
    } else {
      add(Lanes<1, 1>{}, tx, ax.outputs_at(tx));
      tx++;
    }
  }
}

// Adds rows [y0, y1) of output pixels of an image to all taps.
template <typename T>
void accumulate_outputs(const PatchShape& shape, const T* x, const T* dy, T* sum, int64_t y0, int64_t y1) {
  const SubnormalsAsZero mode;
  while (y0 < y1) {
    // Rows that see the same taps.
    const IndexRange rows = shape.y.taps_at(y0);
    int64_t end = y0 + 1;
    for (; end < y1; end++) {
      const IndexRange others = shape.y.taps_at(end);
      if (others.begin != rows.begin || others.end != rows.end) break;
    }
    for (int64_t ty = rows.begin; ty < rows.end;) {
      const int64_t left = rows.end - ty;
      if (left >= 3) {
        accumulate_rows<T, 3>(shape, x, dy, sum, y0, end, ty);
        ty += 3;
      } else if (left == 2) {
        accumulate_rows<T, 2>(shape, x, dy, sum, y0, end, ty);
        ty += 2;
      } else {
        accumulate_rows<T, 1>(shape, x, dy, sum, y0, end, ty);
        ty++;
      }
    }
    y0 = end;
  }
}

// Output rows whose cotangents and source cells stay in the second cache from the first vector of channels to the last.
template <typename T>
int64_t cached_rows(const PatchShape& shape) {
  const int64_t row = shape.sourceChannels * (shape.x.outputs + shape.y.step * shape.x.source) * static_cast<int64_t>(sizeof(T));
  return max64(1, (int64_t(256) << 10) / max64(1, row));
}

// The rows of all images are summed in this many parts, so that the order of the sum does not depend on the threads.
int64_t gradient_parts(const Conv2dParams& p) { return min64(16, p.batch * p.outH); }

// Elements of a worker's copy of a band.
int64_t gradient_band(const Conv2dParams& p, const PatchShape& shape) {
  return p.outC > p.inC ? round_up(band_source_rows(shape, band_rows(shape, p.outC)) * p.inW * p.outC, 16) : 0;
}

template <typename T>
void filter_gradient(const Conv2dParams& p, const T* x, const T* dy, T* dw, const Parallel& parallel, T* partials) {
  const PatchShape shape = forward_patches(p);
  const int64_t rows = p.batch * p.outH, parts = gradient_parts(p), size = p.kH * p.kW * p.outC;
  const int64_t multiplier = p.outC / p.groups, own = gradient_band(p, shape);
  T* const copies = partials + round_up(parts * size, 16);
  parallel_for(parallel, parts, [&](int64_t part, int worker) {
    T* const sum = partials + part * size;
    for (int64_t i = 0; i < size; i++) sum[i] = T(0);
    const int64_t end = (part + 1) * rows / parts;
    for (int64_t r = part * rows / parts; r < end;) {
      const int64_t image = r / p.outH, y0 = r % p.outH, y1 = min64(min64(p.outH, y0 + band_rows(shape, p.outC)), y0 + end - r);
      const T* source = x + image * shape.image_stride();
      PatchShape band = shape;
      int64_t first = y0;
      if (multiplier > 1) {
        T* const memory = copies + worker * own;
        band = repeat_band(shape, source, y0, y1, multiplier, memory);
        source = memory, first = 0;
      }
      const T* const cotangent = dy + (image * p.outH + y0 - first) * p.outW * p.outC;
      const int64_t last = first + y1 - y0, step = cached_rows<T>(band);
      for (int64_t y = first; y < last; y += step) accumulate_outputs(band, source, cotangent, sum, y, min64(last, y + step));
      r += y1 - y0;
    }
  });
  for_lanes<T, 4>(size, [&](auto block, int64_t i) {
    constexpr int V = block.vectors, L = block.lanes;
    typename VectorOf<T, L>::type sum[V] = {};
    for (int64_t part = 0; part < parts; part++) {
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) sum[v] += load<T, L>(partials + part * size + i + v * L);
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) store<T, L>(dw + i + v * L, sum[v]);
  });
}

}  // namespace

template <>
void depthwise_filter_gradient(const Conv2dParams& params, const float* x, const float* dy, float* dw, const Parallel& parallel,
                               void* scratch) {
  filter_gradient(params, x, dy, dw, parallel, static_cast<float*>(scratch));
}

template <>
void depthwise_filter_gradient(const Conv2dParams& params, const double* x, const double* dy, double* dw, const Parallel& parallel,
                               void* scratch) {
  filter_gradient(params, x, dy, dw, parallel, static_cast<double*>(scratch));
}

template <typename T>
size_t depthwise_filter_gradient_scratch_bytes(const Conv2dParams& params, int threads) {
  const int64_t partials = round_up(gradient_parts(params) * params.kH * params.kW * params.outC, 16);
  return static_cast<size_t>(partials + threads * gradient_band(params, forward_patches(params))) * sizeof(T);
}

template size_t depthwise_filter_gradient_scratch_bytes<float>(const Conv2dParams&, int);
template size_t depthwise_filter_gradient_scratch_bytes<double>(const Conv2dParams&, int);

}  // namespace nagare::NAGARE_ISA
