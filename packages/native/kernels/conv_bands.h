// Bands of rows for depthwise convolutions with several filters for each channel.
#pragma once

#include "conv_patch.h"

namespace nagare::NAGARE_ISA {

// Output rows of a band: multiply-adds that are worth a task.
inline int64_t band_rows(const PatchShape& shape, int64_t channels) {
  const int64_t row = max64(1, shape.x.outputs * channels * shape.y.taps * shape.x.taps);
  return max64(1, min64(shape.y.outputs, (int64_t(1) << 18) / row));
}

// Source rows that a band reads.
inline int64_t band_source_rows(const PatchShape& shape, int64_t rows) {
  return min64(shape.y.source, (rows - 1) * shape.y.step + (shape.y.taps - 1) * shape.y.tapStep + 1);
}

// y[i·N + m] = x[i].
template <typename T, int N>
void repeat_each(const T* x, int64_t count, T* y) {
  for (int64_t i = 0; i < count; i++) {
    for (int m = 0; m < N; m++) y[i * N + m] = x[i];
  }
}

// y[i] = Σ x[i·N + m].
template <typename T, int N>
void sum_each(const T* x, int64_t count, T* y) {
  for (int64_t i = 0; i < count; i++) {
    T sum = x[i * N];
    for (int m = 1; m < N; m++) sum += x[i * N + m];
    y[i] = sum;
  }
}

// visit(N) for the constant N in 2 … 8 that equals `count`.
template <typename Visit>
void with_constant(int64_t count, const Visit& visit) {
  switch (count) {
    case 2: return visit(Lanes<1, 2>{});
    case 3: return visit(Lanes<1, 3>{});
    case 4: return visit(Lanes<1, 4>{});
    case 5: return visit(Lanes<1, 5>{});
    case 6: return visit(Lanes<1, 6>{});
    case 7: return visit(Lanes<1, 7>{});
    default: return visit(Lanes<1, 8>{});
  }
}

// Copies the source rows of output rows [y0, y1) of one image, every channel `multiplier` times, and returns the shape of that band alone.
template <typename T>
PatchShape repeat_band(const PatchShape& shape, const T* image, int64_t y0, int64_t y1, int64_t multiplier, T* memory) {
  const PatchAxis& y = shape.y;
  const int64_t origin = y.origin + y0 * y.step, last = y.origin + (y1 - 1) * y.step + (y.taps - 1) * y.tapStep;
  const int64_t first = max64(0, origin), end = max64(first, min64(y.source, last + 1)), elements = (end - first) * shape.row_stride();
  if (elements > 0) {
    with_constant(multiplier, [&](auto n) { repeat_each<T, n.lanes>(image + first * shape.row_stride(), elements, memory); });
  }
  return {1, {end - first, y1 - y0, y.step, origin - first, y.taps, y.tapStep}, shape.x, shape.sourceChannels * multiplier, 1};
}

}  // namespace nagare::NAGARE_ISA
