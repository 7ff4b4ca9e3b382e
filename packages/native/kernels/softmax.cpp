#include "softmax.h"

#include "rows.h"

namespace nagare::NAGARE_ISA {
namespace {

// make(row, to) for each row: `to` is the row of y, or a buffer whose contents then go there past the caches.
template <typename T, typename Make>
void make_rows(T* y, int64_t operands, int64_t rows, int64_t n, const Parallel& parallel, const Make& make) {
  if (!streams_rows<T>((operands + 1) * rows * n * static_cast<int64_t>(sizeof(T)), n)) {
    for_rows(rows, n, parallel, [&](int64_t row) { make(row, y + row * n); });
    return;
  }
  for_row_ranges(rows, n, parallel, [&](int64_t first, int64_t last) {
    alignas(kVectorBytes) T buffer[kStreamedRowBytes / sizeof(T)];
    for (int64_t row = first; row < last; row++) {
      make(row, buffer);
      stream_copy(y + row * n, buffer, n * static_cast<int64_t>(sizeof(T)));
    }
    finish_streaming();
  });
}

}  // namespace

template <typename T>
void softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(y, 1, rows, n, parallel, [=](int64_t row, T* to) __attribute__((always_inline)) {
    const T* from = x + row * n;
    const T largest = row_maximum(from, n);
    const T sum = sum_row<T>(n, [&](int64_t i, int64_t count) {
      const Vec<T> e = exp_nonpositive(load_some(from + i, count) - largest);
      store_some(to + i, e, count);
      return e;
    });
    const T factor = T(1) / sum;
    for_vectors<T>(n, [&](int64_t i, int64_t count) { store_some<T>(to + i, load_some(to + i, count) * factor, count); });
  });
}

template <typename T>
void softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(dx, 2, rows, n, parallel, [=](int64_t row, T* to) __attribute__((always_inline)) {
    const T *p = y + row * n, *g = dy + row * n;
    const T mean = sum_row<T>(n, [&](int64_t i, int64_t count) { return load_some(p + i, count) * load_some(g + i, count); });
    for_vectors<T>(n, [&](int64_t i, int64_t count) {
      store_some<T>(to + i, load_some(p + i, count) * (load_some(g + i, count) - mean), count);
    });
  });
}

template <typename T>
void log_softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(y, 1, rows, n, parallel, [=](int64_t row, T* to) __attribute__((always_inline)) {
    const T* from = x + row * n;
    const T largest = row_maximum(from, n);
    const T sum = sum_row<T>(n, [&](int64_t i, int64_t count) { return exp_nonpositive(load_some(from + i, count) - largest); });
    const T normalizer = log(splat(sum))[0];
    // x − max first: where max is far from 0, their sum has lost the digits that the logarithm is about.
    for_vectors<T>(n, [&](int64_t i, int64_t count) {
      store_some<T>(to + i, (load_some(from + i, count) - largest) - normalizer, count);
    });
  });
}

template <typename T>
void log_softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(dx, 2, rows, n, parallel, [=](int64_t row, T* to) __attribute__((always_inline)) {
    const T *p = y + row * n, *g = dy + row * n;
    const T sum = sum_row<T>(n, [&](int64_t i, int64_t count) { return load_some(g + i, count); });
    for_vectors<T>(n, [&](int64_t i, int64_t count) {
      store_some<T>(to + i, load_some(g + i, count) - exp_nonpositive(load_some(p + i, count)) * sum, count);
    });
  });
}

#define NAGARE_INSTANTIATE(T)                                                                          \
  template void softmax(const T*, T*, int64_t, int64_t, const Parallel&);                              \
  template void softmax_gradient(const T*, const T*, T*, int64_t, int64_t, const Parallel&);           \
  template void log_softmax(const T*, T*, int64_t, int64_t, const Parallel&);                          \
  template void log_softmax_gradient(const T*, const T*, T*, int64_t, int64_t, const Parallel&);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(double)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::NAGARE_ISA
