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

// body(first, last) for ranges of all rows of n elements, and body(row) for each.
template <typename Body>
void for_row_ranges(int64_t rows, int64_t n, const Parallel& parallel, const Body& body) {
  const int64_t least = max64(1, kRowElementsPerTask / max64(1, n));
  parallel_ranges(parallel, rows, least, [&](int64_t first, int64_t last, int) { body(first, last); });
}
template <typename Body>
void for_rows(int64_t rows, int64_t n, const Parallel& parallel, const Body& body) {
  for_row_ranges(rows, n, parallel, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++) body(row);
  });
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
    b += first_lanes<T>(value(i, n - i), n - i, Vec<T>{});
  }
  return fold_lanes<Sum<T>, T>((a + b) + (c + d));
}

// Rows that are written past the caches are made in a buffer of this size first.
constexpr int64_t kStreamedRowBytes = int64_t(1) << 14;

// Whether rows of n elements should be streamed, where the whole operation touches `bytes`.
template <typename T>
NAGARE_INLINE bool streams_rows(int64_t bytes, int64_t n) {
  return bytes >= kStreamBytes && n * static_cast<int64_t>(sizeof(T)) <= kStreamedRowBytes;
}

}  // namespace nagare::NAGARE_ISA
