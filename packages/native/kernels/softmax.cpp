#include "softmax.h"

#include "narrow_rows.h"
#include "row_exponentials.h"
#include "row_passes.h"

namespace nagare::NAGARE_ISA {
namespace {

// Columns of `width` neighbours of n rows, `stride` apart, as vectors: those of the first vector one behind the other, then those of the
// second.
template <typename T>
NAGARE_INLINE void gather_columns(const T* x, int64_t stride, int64_t n, int64_t width, T* columns) {
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t c = 0; c < width; c += lanes) store(columns + c * n + i * lanes, load_some(x + i * stride + c, min64(lanes, width - c)));
  }
}

// Columns that are kept together: neighbours of several lines, as memory hands them out, and no more in all than a stack bears.
template <typename T>
constexpr int64_t kColumns = 256 / static_cast<int64_t>(sizeof(T));
template <typename T>
struct ColumnBlock {
  alignas(kVectorBytes) T elements[kMaxColumnLength * kColumns<T>];
};

// body(index, width) for all blocks of columns: where the block begins, and how many columns it has.
template <typename T, typename Body>
void for_column_blocks(const SoftmaxParams& p, const Parallel& parallel, const Body& body) {
  constexpr int64_t widest = kColumns<T>;
  const int64_t blocks = (p.inner + widest - 1) / widest;
  for_rows(p.outer * blocks, p.n * widest, parallel, [&](int64_t block) {
    const int64_t first = block % blocks * widest;
    body(block / blocks * p.n * p.inner + first, min64(widest, p.inner - first));
  });
}

// make(columns) for each vector of columns; then they go where they belong.
template <typename T, typename Make>
NAGARE_INLINE void make_block(T* y, int64_t stride, int64_t n, int64_t width, T* columns, const Make& make) {
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t c = 0; c < width; c += lanes) make(c * n);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t c = 0; c < width; c += lanes) store_some(y + i * stride + c, load(columns + c * n + i * lanes), min64(lanes, width - c));
  }
}

template <typename T, typename Make>
void make_columns(const T* x, T* y, const SoftmaxParams& p, const Parallel& parallel, const Make& make) {
  for_column_blocks<T>(p, parallel, [&](int64_t at, int64_t width) {
    ColumnBlock<T> columns;
    gather_columns(x + at, p.inner, p.n, width, columns.elements);
    make_block(y + at, p.inner, p.n, width, columns.elements, [&](int64_t c) { make(columns.elements + c); });
  });
}

// The same with two operands.
template <typename T, typename Make>
void make_columns(const T* a, const T* b, T* y, const SoftmaxParams& p, const Parallel& parallel, const Make& make) {
  for_column_blocks<T>(p, parallel, [&](int64_t at, int64_t width) {
    ColumnBlock<T> left, right;
    gather_columns(a + at, p.inner, p.n, width, left.elements);
    gather_columns(b + at, p.inner, p.n, width, right.elements);
    make_block(y + at, p.inner, p.n, width, left.elements, [&](int64_t c) { make(left.elements + c, right.elements + c); });
  });
}

// Reductions that keep what they end with as the first of a row's numbers.
template <typename Op, typename T, typename Values>
auto keep_first(const Values& values) {
  return reduce_each_row<Op>(values, [](const RowInHand<T>& row, T total) { row.numbers[0] = total; });
}

}  // namespace

template <typename T>
void softmax(const SoftmaxParams& params, const T* x, T* y, const Parallel& parallel) {
  const int64_t rows = params.outer, n = params.n;
  const auto make = [=](T* columns) __attribute__((always_inline)) {
    const Vec<T> largest = largest_of_columns(columns, n);
    const Vec<T> sum = sum_of_columns<T>(n, [&](int64_t i) __attribute__((always_inline)) {
      const Vec<T> e = exp_nonpositive(load(columns + i) - largest);
      store(columns + i, e);
      return e;
    });
    const Vec<T> factor = T(1) / sum;
    set_columns(columns, n, [&](int64_t i) { return load(columns + i) * factor; });
  };
  if (params.inner > 1) return make_columns(x, y, params, parallel, make);
  if (are_narrow<T>(n)) return make_narrow_rows(x, y, rows, n, parallel, make);
  const auto exponentials = [=](const RowInHand<T>& row) __attribute__((always_inline)) {
    return KeptExponentials<T>{{x + row.index * n, row.numbers[0]}, row.elements};
  };
  make_rows(y, {x}, rows, n, parallel, keep_first<Greater<T>, T>(elements_of_rows(x, n)),
            reduce_each_row<Sum<T>>(exponentials, [](const RowInHand<T>& row, T sum) { row.numbers[1] = T(1) / sum; }),
            [](const RowInHand<T>& row) __attribute__((always_inline)) {
              const T *const from = row.elements, by = row.numbers[1];
              return [=](int64_t i, int64_t some) __attribute__((always_inline)) { return load_some(from + i, some) * by; };
            });
}

template <typename T>
void softmax_gradient(const SoftmaxParams& params, const T* y, const T* dy, T* dx, const Parallel& parallel) {
  const int64_t rows = params.outer, n = params.n;
  const auto make = [=](T* p, T* g) __attribute__((always_inline)) {
    const Vec<T> mean = sum_of_columns<T>(n, [&](int64_t i) { return load(p + i) * load(g + i); });
    set_columns(p, n, [&](int64_t i) { return load(p + i) * (load(g + i) - mean); });
  };
  if (params.inner > 1) return make_columns(y, dy, dx, params, parallel, make);
  if (are_narrow<T>(n)) return make_narrow_rows(y, dy, dx, rows, n, parallel, make);
  const auto products = [=](const RowInHand<T>& row) __attribute__((always_inline)) {
    const T *const p = y + row.index * n, *const g = dy + row.index * n;
    return [=](int64_t i, int64_t some) __attribute__((always_inline)) { return load_some(p + i, some) * load_some(g + i, some); };
  };
  make_rows(dx, {y, dy}, rows, n, parallel, NoPass{}, keep_first<Sum<T>, T>(products),
            [=](const RowInHand<T>& row) __attribute__((always_inline)) {
              const T *const p = y + row.index * n, *const g = dy + row.index * n;
              const T mean = row.numbers[0];
              return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
                return load_some(p + i, some) * (load_some(g + i, some) - mean);
              };
            });
}

template <typename T>
void log_softmax(const SoftmaxParams& params, const T* x, T* y, const Parallel& parallel) {
  const int64_t rows = params.outer, n = params.n;
  const auto make = [=](T* columns) __attribute__((always_inline)) {
    const Vec<T> largest = largest_of_columns(columns, n);
    const Vec<T> sum = sum_of_columns<T>(n, [&](int64_t i) { return exp_nonpositive(load(columns + i) - largest); });
    const Vec<T> normalizer = log(sum);
    set_columns(columns, n, [&](int64_t i) { return (load(columns + i) - largest) - normalizer; });
  };
  if (params.inner > 1) return make_columns(x, y, params, parallel, make);
  if (are_narrow<T>(n)) return make_narrow_rows(x, y, rows, n, parallel, make);
  const auto exponentials = [=](const RowInHand<T>& row) __attribute__((always_inline)) {
    return RowExponentials<T>{x + row.index * n, row.numbers[0]};
  };
  make_rows(y, {x}, rows, n, parallel, keep_first<Greater<T>, T>(elements_of_rows(x, n)),
            reduce_each_row<Sum<T>>(exponentials, [](const RowInHand<T>& row, T sum) { row.numbers[1] = log(splat(sum))[0]; }),
            [=](const RowInHand<T>& row) __attribute__((always_inline)) {
              const T* const from = x + row.index * n;
              const T most = row.numbers[0], normalizer = row.numbers[1];
              // x − max first: where max is far from 0, their sum has lost the digits that the logarithm is about.
              return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
                return (load_some(from + i, some) - most) - normalizer;
              };
            });
}

template <typename T>
void log_softmax_gradient(const SoftmaxParams& params, const T* y, const T* dy, T* dx, const Parallel& parallel) {
  const int64_t rows = params.outer, n = params.n;
  const auto make = [=](T* p, T* g) __attribute__((always_inline)) {
    const Vec<T> sum = sum_of_columns<T>(n, [&](int64_t i) { return load(g + i); });
    set_columns(p, n, [&](int64_t i) { return load(g + i) - exp_nonpositive(load(p + i)) * sum; });
  };
  if (params.inner > 1) return make_columns(y, dy, dx, params, parallel, make);
  if (are_narrow<T>(n)) return make_narrow_rows(y, dy, dx, rows, n, parallel, make);
  make_rows(dx, {y, dy}, rows, n, parallel, NoPass{}, keep_first<Sum<T>, T>(elements_of_rows(dy, n)),
            [=](const RowInHand<T>& row) __attribute__((always_inline)) {
              const T *const p = y + row.index * n, *const g = dy + row.index * n;
              const T total = row.numbers[0];
              return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
                return load_some(g + i, some) - exp_nonpositive(load_some(p + i, some)) * total;
              };
            });
}

#define NAGARE_INSTANTIATE(T)                                                                      \
  template void softmax(const SoftmaxParams&, const T*, T*, const Parallel&);                      \
  template void softmax_gradient(const SoftmaxParams&, const T*, const T*, T*, const Parallel&);   \
  template void log_softmax(const SoftmaxParams&, const T*, T*, const Parallel&);                  \
  template void log_softmax_gradient(const SoftmaxParams&, const T*, const T*, T*, const Parallel&);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(double)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::NAGARE_ISA
