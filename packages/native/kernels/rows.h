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

// Rows of a group that ends with finish_row are no more than this together, where they are several: with those that are fetched meanwhile,
// and the buffer, they stay in the first cache.
constexpr int64_t kRowGroupBytes = int64_t(1) << 13;

// Where a group of rows is made: in y, or in a buffer whose contents then go there past the caches. Where rows are whole lines of memory,
// the last pass writes to `past` instead, and the buffer is for what comes before it.
template <typename T>
struct RowGroup {
  T *to, *past;
};

// y[i] = value(i, count) for the vectors of row r of a group, as the last pass over it.
template <typename T, typename Value>
NAGARE_INLINE void finish_row(const RowGroup<T>& group, int64_t r, int64_t n, const Value& value) {
  if (group.past) {
    T* const past = group.past + r * n;
    for (int64_t i = 0; i < n; i += kLanes<T>) stream<T>(past + i, value(i, kLanes<T>));
  } else {
    T* const to = group.to + r * n;
    for_vectors<T>(n, [=](int64_t i, int64_t some) __attribute__((always_inline)) { store_some<T>(to + i, value(i, some), some); });
  }
}

// make(first, count, group) for groups of at most `most` rows that together are not much, or of one row. `operands` are as large as y;
// `finishes`: whether it ends with finish_row.
template <typename T, typename Make>
void make_rows(T* y, int64_t operands, int64_t rows, int64_t n, int64_t most, bool finishes, const Parallel& parallel, const Make& make) {
  constexpr int64_t bytes = static_cast<int64_t>(sizeof(T));
  const bool streams = streams_rows<T>((operands + 1) * rows * n * bytes, n);
  const bool direct = streams && finishes && n * bytes % kLine == 0 && bytes_to_line(y) == 0;
  const int64_t group = min64(most, max64(1, (finishes ? kRowGroupBytes : kStreamedRowBytes) / (n * bytes)));
  for_row_ranges(rows, n, parallel, [&](int64_t first, int64_t last) {
    alignas(kVectorBytes) T buffer[kStreamedRowBytes / sizeof(T)];
    for (; first < last; first += group) {
      const int64_t count = min64(group, last - first);
      T* const to = y + first * n;
      const char* const ahead = reinterpret_cast<const char*>(to) + kPagesAhead;
      if (streams) {
        for (int64_t i = 0; i < count * n * bytes; i += kPage) __builtin_prefetch(ahead + i, 1);
      }
      make(first, count, RowGroup<T>{streams ? buffer : to, direct ? to : nullptr});
      if (streams && !direct) stream_copy(to, buffer, count * n * bytes);
    }
    if (streams) finish_streaming();
  });
}

}  // namespace nagare::NAGARE_ISA
