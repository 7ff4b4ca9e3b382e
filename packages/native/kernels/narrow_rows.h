// Rows much shorter than a few vectors: a vector holds one column of as many rows as it has lanes, so that what is summed along a row is
// summed lane by lane, and no lane is idle.
#pragma once

#include "rows.h"
#include "transpose_square.h"

namespace nagare::NAGARE_ISA {

// From twice a vector on, rows are quicker as they lie.
template <typename T>
constexpr int64_t kNarrowElements = 2 * kLanes<T>;
// Rows of a group, so that what goes past the caches is much at a time.
template <typename T>
constexpr int64_t kNarrowGroup = 8 * kLanes<T>;

template <typename T>
NAGARE_INLINE bool are_narrow(int64_t n) {
  return n < kNarrowElements<T>;
}

// Columns of at most kLanes<T> rows, or those rows, padded to vectors.
template <typename T>
struct NarrowBlock {
  alignas(kVectorBytes) T elements[kNarrowElements<T> * kLanes<T>];
};

// columns[i·lanes + r] = x[r·n + i] for r < count ≤ lanes; other lanes are 0. Up to `readable` elements from x on may be read.
template <typename T>
NAGARE_INLINE void load_columns(const T* x, int64_t n, int64_t count, int64_t readable, NarrowBlock<T>& columns) {
  constexpr int64_t lanes = kLanes<T>;
  NarrowBlock<T> copy;
  for (int64_t i = 0; i < n; i += lanes) {
    const T* rows = x + i;
    int64_t step = n;
    if (count < lanes || (lanes - 1) * n + i + lanes > readable) {
      for (int64_t r = 0; r < lanes; r++) {
        store(copy.elements + r * lanes, r < count ? load_some(rows + r * n, min64(lanes, n - i)) : Vec<T>{});
      }
      rows = copy.elements, step = lanes;
    }
    transpose_lanes(rows, step, columns.elements + i * lanes, lanes);
  }
}

// y[r·n + i] = columns[i·lanes + r] for r < count ≤ lanes. What is behind a row is written before the next is.
template <typename T>
NAGARE_INLINE void store_columns(const NarrowBlock<T>& columns, T* y, int64_t n, int64_t count) {
  constexpr int64_t lanes = kLanes<T>;
  NarrowBlock<T> rows;
  const int64_t width = round_up(n, lanes);
  for (int64_t i = 0; i < n; i += lanes) transpose_lanes(columns.elements + i * lanes, lanes, rows.elements + i, width);
  for (int64_t r = 0; r < count; r++) {
    for (int64_t i = 0; i < n; i += lanes) {
      const int64_t at = r * n + i;
      store_some(y + at, load(rows.elements + r * width + i), at + lanes <= count * n ? lanes : min64(lanes, n - i));
    }
  }
}

// body(r, some) for `count` rows in vectors of them.
template <typename T, typename Body>
NAGARE_INLINE void for_narrow_blocks(int64_t count, const Body& body) {
  for (int64_t r = 0; r < count; r += kLanes<T>) body(r, min64(kLanes<T>, count - r));
}

// make(first, count, to) for groups of rows whose results are made at `to`. `operands` are as large as y.
template <typename T, typename Make>
void make_row_groups(T* y, int64_t operands, int64_t rows, int64_t n, const Parallel& parallel, const Make& make) {
  constexpr int64_t bytes = static_cast<int64_t>(sizeof(T));
  const bool streams = streams_rows<T>((operands + 1) * rows * n * bytes, n);
  const int64_t group = min64(kNarrowGroup<T>, max64(1, kStreamedRowBytes / (n * bytes)));
  for_row_ranges(rows, n, parallel, [&](int64_t first, int64_t last) {
    alignas(kVectorBytes) T buffer[kStreamedRowBytes / sizeof(T)];
    for (; first < last; first += group) {
      const int64_t count = min64(group, last - first);
      T* const to = y + first * n;
      if (streams) touch_pages_ahead(to, count * n * bytes);
      make(first, count, streams ? buffer : to);
      if (streams) stream_copy(to, buffer, count * n * bytes);
    }
    if (streams) finish_streaming();
  });
}

// make(columns, result) for all rows of x: both are of `n` columns.
template <typename T, typename Make>
void make_narrow_rows(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel, const Make& make) {
  make_row_groups(y, 1, rows, n, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
    const T* const from = x + first * n;
    NarrowBlock<T> columns;
    for_narrow_blocks<T>(count, [&](int64_t r, int64_t some) __attribute__((always_inline)) {
      load_columns(from + r * n, n, some, (count - r) * n, columns);
      make(columns.elements);
      store_columns(columns, to + r * n, n, some);
    });
  });
}

// The same with two operands.
template <typename T, typename Make>
void make_narrow_rows(const T* a, const T* b, T* y, int64_t rows, int64_t n, const Parallel& parallel, const Make& make) {
  make_row_groups(y, 2, rows, n, parallel, [=](int64_t first, int64_t count, T* to) __attribute__((always_inline)) {
    NarrowBlock<T> left, right;
    for_narrow_blocks<T>(count, [&](int64_t r, int64_t some) __attribute__((always_inline)) {
      load_columns(a + (first + r) * n, n, some, (count - r) * n, left);
      load_columns(b + (first + r) * n, n, some, (count - r) * n, right);
      make(left.elements, right.elements);
      store_columns(left, to + r * n, n, some);
    });
  });
}

// The largest number, and any of them where some are NaN, in each lane of n vectors; and Σ value(i).
template <typename T>
NAGARE_INLINE Vec<T> largest_of_columns(const T* columns, int64_t n) {
  Vec<T> largest = load(columns);
  for (int64_t i = 1; i < n; i++) largest = greater(largest, load(columns + i * kLanes<T>));
  return largest;
}
template <typename T, typename Value>
NAGARE_INLINE Vec<T> sum_of_columns(int64_t n, const Value& value) {
  // In pieces, so that the error of a long sum does not grow with its length.
  constexpr int64_t piece = 64;
  Vec<T> sum{};
  for (int64_t first = 0; first < n; first += piece) {
    Vec<T> part{};
    for (int64_t i = first; i < min64(n, first + piece); i++) part += value(i * kLanes<T>);
    sum += part;
  }
  return sum;
}
// columns[i] = value(i) for n of them.
template <typename T, typename Value>
NAGARE_INLINE void set_columns(T* columns, int64_t n, const Value& value) {
  for (int64_t i = 0; i < n * kLanes<T>; i += kLanes<T>) store<T>(columns + i, value(i));
}

}  // namespace nagare::NAGARE_ISA
