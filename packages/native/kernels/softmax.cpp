#include "softmax.h"

#include "narrow_rows.h"

namespace nagare::NAGARE_ISA {

template <typename T>
void softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel) {
  if (are_narrow<T>(n)) {
    return make_narrow_rows(x, y, rows, n, parallel, [=](T* columns) __attribute__((always_inline)) {
      const Vec<T> largest = largest_of_columns(columns, n);
      const Vec<T> sum = sum_of_columns<T>(n, [&](int64_t i) __attribute__((always_inline)) {
        const Vec<T> e = exp_nonpositive(load(columns + i) - largest);
        store(columns + i, e);
        return e;
      });
      const Vec<T> factor = T(1) / sum;
      set_columns(columns, n, [&](int64_t i) { return load(columns + i) * factor; });
    });
  }
  make_rows(y, 1, rows, n, kRowGroup, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
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
  if (are_narrow<T>(n)) {
    return make_narrow_rows(y, dy, dx, rows, n, parallel, [=](T* p, T* g) __attribute__((always_inline)) {
      const Vec<T> mean = sum_of_columns<T>(n, [&](int64_t i) { return load(p + i) * load(g + i); });
      set_columns(p, n, [&](int64_t i) { return load(p + i) * (load(g + i) - mean); });
    });
  }
  make_rows(dx, 2, rows, n, kRowGroup, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
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
  if (are_narrow<T>(n)) {
    return make_narrow_rows(x, y, rows, n, parallel, [=](T* columns) __attribute__((always_inline)) {
      const Vec<T> largest = largest_of_columns(columns, n);
      const Vec<T> sum = sum_of_columns<T>(n, [&](int64_t i) { return exp_nonpositive(load(columns + i) - largest); });
      const Vec<T> normalizer = log(sum);
      set_columns(columns, n, [&](int64_t i) { return (load(columns + i) - largest) - normalizer; });
    });
  }
  make_rows(y, 1, rows, n, kRowGroup, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
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
  if (are_narrow<T>(n)) {
    return make_narrow_rows(y, dy, dx, rows, n, parallel, [=](T* p, T* g) __attribute__((always_inline)) {
      const Vec<T> sum = sum_of_columns<T>(n, [&](int64_t i) { return load(g + i); });
      set_columns(p, n, [&](int64_t i) { return load(g + i) - exp_nonpositive(load(p + i)) * sum; });
    });
  }
  make_rows(dx, 2, rows, n, kRowGroup, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
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
