// What kernels that work row by row share.
#pragma once

#include "blocking.h"
#include "elementary.h"
#include "reduce_fold.h"
#include "row_maximum.h"
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

// Rows that are taken through each pass together: the sum or the maximum of a row is known some time after its last element, in which
// the processor works on the next.
constexpr int64_t kRowGroup = 8;

// make(first, count, to) for groups of at most `most` rows that together are not much, or of one row: `to` is where they are in y, or a
// buffer whose contents then go there past the caches. `operands` are as large as y.
template <typename T, typename Make>
void make_rows(T* y, int64_t operands, int64_t rows, int64_t n, int64_t most, const Parallel& parallel, const Make& make) {
  constexpr int64_t bytes = static_cast<int64_t>(sizeof(T));
  const bool streams = streams_rows<T>((operands + 1) * rows * n * bytes, n);
  const int64_t group = min64(most, max64(1, kStreamedRowBytes / (n * bytes)));
  for_row_ranges(rows, n, parallel, [&](int64_t first, int64_t last) {
    alignas(kVectorBytes) T buffer[kStreamedRowBytes / sizeof(T)];
    for (; first < last; first += group) {
      const int64_t count = min64(group, last - first);
      T* const to = y + first * n;
      make(first, count, streams ? buffer : to);
      if (!streams) continue;
      const char* const ahead = reinterpret_cast<const char*>(to) + kPagesAhead;
      for (int64_t i = 0; i < count * n * bytes; i += kPage) __builtin_prefetch(ahead + i, 1);
      stream_copy(to, buffer, count * n * bytes);
    }
    if (streams) finish_streaming();
  });
}

}  // namespace nagare::NAGARE_ISA
