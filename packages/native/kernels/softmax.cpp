#include "softmax.h"

#include "rows.h"

namespace nagare::NAGARE_ISA {

namespace {

// A row that is one vector, or a part of one, stays in it.
template <typename T>
NAGARE_INLINE void softmax_of_few(const T* x, T* y, int64_t n) {
  const Vec<T> v = load_some(x, n);
  const T largest = fold_lanes<Greater<T>, T>(first_lanes<T>(v, n, splat(v[0])));
  const Vec<T> e = exp_nonpositive(v - largest);
  const T sum = fold_lanes<Sum<T>, T>(first_lanes<T>(e, n, Vec<T>{}));
  store_some<T>(y, e * (T(1) / sum), n);
}

}  // namespace

template <typename T>
void softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(y, 1, rows, n, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
    if (n <= kLanes<T>) {
      for (int64_t r = 0; r < count; r++) softmax_of_few(x + (first + r) * n, to + r * n, n);
      return;
    }
    T largest[kRowGroup], factor[kRowGroup];
    const T *const from = x + first * n, *const next = from + count * n;
    for (int64_t r = 0; r < count; r++) largest[r] = row_maximum(from + r * n, n);
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      factor[r] = T(1) / sum_row<T>(n, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
        __builtin_prefetch(next + row + i);
        const Vec<T> e = exp_nonpositive(load_some(from + row + i, some) - largest[r]);
        store_some(to + row + i, e, some);
        return e;
      });
    }
    for (int64_t r = 0; r < count; r++) {
      T* const p = to + r * n;
      for_vectors<T>(n, [&](int64_t i, int64_t some) { store_some<T>(p + i, load_some(p + i, some) * factor[r], some); });
    }
  });
}

template <typename T>
void softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(dx, 2, rows, n, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
    T mean[kRowGroup];
    const T *const p = y + first * n, *const g = dy + first * n;
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      mean[r] = sum_row<T>(n, [&](int64_t i, int64_t some) { return load_some(p + row + i, some) * load_some(g + row + i, some); });
    }
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      for_vectors<T>(n, [&](int64_t i, int64_t some) {
        store_some<T>(to + row + i, load_some(p + row + i, some) * (load_some(g + row + i, some) - mean[r]), some);
      });
    }
  });
}

template <typename T>
void log_softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(y, 1, rows, n, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
    T largest[kRowGroup], normalizer[kRowGroup];
    const T* const from = x + first * n;
    for (int64_t r = 0; r < count; r++) largest[r] = row_maximum(from + r * n, n);
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      normalizer[r] = log(splat(sum_row<T>(
          n, [&](int64_t i, int64_t some) { return exp_nonpositive(load_some(from + row + i, some) - largest[r]); })))[0];
    }
    // x − max first: where max is far from 0, their sum has lost the digits that the logarithm is about.
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      for_vectors<T>(n, [&](int64_t i, int64_t some) {
        store_some<T>(to + row + i, (load_some(from + row + i, some) - largest[r]) - normalizer[r], some);
      });
    }
  });
}

template <typename T>
void log_softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel) {
  make_rows(dx, 2, rows, n, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
    T sum[kRowGroup];
    const T *const p = y + first * n, *const g = dy + first * n;
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      sum[r] = sum_row<T>(n, [&](int64_t i, int64_t some) { return load_some(g + row + i, some); });
    }
    for (int64_t r = 0; r < count; r++) {
      const int64_t row = r * n;
      for_vectors<T>(n, [&](int64_t i, int64_t some) {
        store_some<T>(to + row + i, load_some(g + row + i, some) - exp_nonpositive(load_some(p + row + i, some)) * sum[r], some);
      });
    }
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
