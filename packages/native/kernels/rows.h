// What kernels that work row by row share.
#pragma once

#include "blocking.h"
#include "elementary.h"
#include "reduce_fold.h"
#include "stream.h"
#include "tile_loops.h"

namespace nagare::NAGARE_ISA {

// Elements for each task: enough to pay for handing it over.
constexpr int64_t kRowElementsPerTask = int64_t(1) << 14;

// body(row) for all rows of n elements.
template <typename Body>
void for_rows(int64_t rows, int64_t n, const Parallel& parallel, const Body& body) {
  const int64_t perTask = max64(1, kRowElementsPerTask / max64(1, n));
  parallel_for(parallel, divide_up(rows, perTask), [&](int64_t index, int) {
    for (int64_t row = index * perTask; row < min64(rows, (index + 1) * perTask); row++) body(row);
  });
}

// A row's vectors; the last may be a part of one, whose other lanes are 0.
template <typename T>
NAGARE_INLINE Vec<T> load_some(const T* p, int64_t count) {
  return count == kLanes<T> ? load(p) : load_part<T, kLanes<T>>(p, count);
}
template <typename T>
NAGARE_INLINE void store_some(T* p, Vec<T> v, int64_t count) {
  if (count == kLanes<T>) store(p, v);
  else store_part<T, kLanes<T>>(p, v, count);
}

// body(i, count) for the vectors of a row.
template <typename T, typename Body>
NAGARE_INLINE void for_vectors(int64_t n, const Body& body) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, lanes);
  if (i < n) body(i, n - i);
}

// Σ value(i, count) over a row, where lanes from `count` on are left out. Four accumulators, added pairwise.
template <typename T, typename Value>
NAGARE_INLINE T sum_row(int64_t n, const Value& value) {
  constexpr int64_t lanes = kLanes<T>;
  Vec<T> a{}, b{}, c{}, d{};
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a += value(i, lanes);
    b += value(i + lanes, lanes);
    c += value(i + 2 * lanes, lanes);
    d += value(i + 3 * lanes, lanes);
  }
  for (; i + lanes <= n; i += lanes) a += value(i, lanes);
  if (i < n) {
    Vec<T> last = value(i, n - i);
    for (int64_t k = n - i; k < lanes; k++) last[k] = 0;
    b += last;
  }
  return fold_lanes<Sum<T>, T>((a + b) + (c + d));
}

// The largest element; any of them where some are NaN.
template <typename T>
struct Greater {
  static NAGARE_INLINE Vec<T> apply(Vec<T> a, Vec<T> b) { return greater(a, b); }
};
template <typename T>
NAGARE_INLINE T row_maximum(const T* x, int64_t n) {
  constexpr int64_t lanes = kLanes<T>;
  if (n < lanes) {
    T largest = x[0];
    for (int64_t i = 1; i < n; i++) largest = largest > x[i] ? largest : x[i];
    return largest;
  }
  // The last vector may overlap the one before it.
  Vec<T> a = load(x), b = load(x + n - lanes);
  int64_t i = lanes;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = greater(a, load(x + i));
    b = greater(b, load(x + i + lanes));
  }
  if (i + lanes <= n) a = greater(a, load(x + i));
  return fold_lanes<Greater<T>, T>(greater(a, b));
}

// Rows that are written past the caches are made in a buffer of this size first.
constexpr int64_t kStreamedRowBytes = int64_t(1) << 14;

// Whether rows of n elements should be streamed, where the whole operation touches `bytes`.
template <typename T>
NAGARE_INLINE bool streams_rows(int64_t bytes, int64_t n) {
  return bytes >= kStreamBytes && n * static_cast<int64_t>(sizeof(T)) <= kStreamedRowBytes;
}

}  // namespace nagare::NAGARE_ISA
