#include "softmax.h"

#include "blocking.h"
#include "elementary.h"
#include "reduce_fold.h"

namespace nagare::NAGARE_ISA {
namespace {

// Elements for each task: enough to pay for handing it over.
constexpr int64_t kElementsPerTask = int64_t(1) << 14;

template <typename T>
NAGARE_INLINE T row_maximum(const T* x, int64_t n) {
  constexpr int lanes = kLanes<T>;
  T largest = lowest<T>();
  int64_t i = 0;
  if (n >= 2 * lanes) {
    Vec<T> a = load(x), b = load(x + lanes);
    for (i = 2 * lanes; i + 2 * lanes <= n; i += 2 * lanes) {
      a = Largest<T>::apply(a, load(x + i));
      b = Largest<T>::apply(b, load(x + i + lanes));
    }
    largest = fold_lanes<Largest<T>, T>(Largest<T>::apply(a, b));
  }
  for (; i < n; i++) largest = Largest<T>::apply(largest, x[i]);
  return largest;
}

// Writes exp(x − shift) and returns the sum.
template <typename T>
NAGARE_INLINE T exponentials(const T* x, T* y, int64_t n, T shift) {
  constexpr int lanes = kLanes<T>;
  Vec<T> sums[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const Vec<T> first = exp(load(x + i) - shift), second = exp(load(x + i + lanes) - shift);
    store(y + i, first);
    store(y + i + lanes, second);
    sums[0] += first;
    sums[1] += second;
  }
  T sum = fold_lanes<Sum<T>, T>(sums[0] + sums[1]);
  for (; i < n; i += lanes) {
    const int64_t count = min64(lanes, n - i);
    Vec<T> part{};
    for (int64_t k = 0; k < count; k++) part[k] = x[i + k];
    part = exp(part - shift);
    for (int64_t k = 0; k < count; k++) {
      y[i + k] = part[k];
      sum += part[k];
    }
  }
  return sum;
}

template <typename T>
NAGARE_INLINE T dot(const T* a, const T* b, int64_t n) {
  constexpr int lanes = kLanes<T>;
  Vec<T> sums[2] = {};
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    sums[0] += load(a + i) * load(b + i);
    sums[1] += load(a + i + lanes) * load(b + i + lanes);
  }
  T sum = fold_lanes<Sum<T>, T>(sums[0] + sums[1]);
  for (; i < n; i++) sum += a[i] * b[i];
  return sum;
}

template <typename Body>
void for_rows(int64_t rows, int64_t n, const Parallel& parallel, const Body& body) {
  const int64_t perTask = max64(1, kElementsPerTask / max64(1, n));
  parallel_for(parallel, divide_up(rows, perTask), [&](int64_t index, int) {
    for (int64_t row = index * perTask; row < min64(rows, (index + 1) * perTask); row++) body(row * n);
  });
}

}  // namespace

template <typename T>
void softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel) {
  for_rows(rows, n, parallel, [&](int64_t at) {
    const T factor = T(1) / exponentials(x + at, y + at, n, row_maximum(x + at, n));
    T* row = y + at;
    for (int64_t i = 0; i < n; i++) row[i] *= factor;
  });
}

template <typename T>
void softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel) {
  for_rows(rows, n, parallel, [&](int64_t at) {
    const T mean = dot(y + at, dy + at, n);
    for (int64_t i = at; i < at + n; i++) dx[i] = y[i] * (dy[i] - mean);
  });
}

template void softmax(const float*, float*, int64_t, int64_t, const Parallel&);
template void softmax(const double*, double*, int64_t, int64_t, const Parallel&);
template void softmax_gradient(const float*, const float*, float*, int64_t, int64_t, const Parallel&);
template void softmax_gradient(const double*, const double*, double*, int64_t, int64_t, const Parallel&);

}  // namespace nagare::NAGARE_ISA
