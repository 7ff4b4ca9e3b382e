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

// What is done to rows, each of n elements, side by side: in steps of four vectors, one, and a part of one.
template <typename T, typename... Rows>
NAGARE_INLINE void walk_rows(int64_t n, Rows&... rows) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) (rows.four(i), ...);
  for (; i + lanes <= n; i += lanes) (rows.one(i), ...);
  if (i < n) (rows.part(i, n - i), ...);
}

// Whether value.four(i) gives four vectors at once, side by side where each is a chain of operations.
template <typename Value, typename = void>
constexpr bool kGivesFour = false;
template <typename Value>
constexpr bool kGivesFour<Value, decltype(static_cast<void>(&Value::four))> = true;

template <typename T, typename Value>
NAGARE_INLINE Several<T, 4> four_values(const Value& value, int64_t i) {
  if constexpr (kGivesFour<Value>) return value.four(i);
  else return each<T, 4>([&](int v) __attribute__((always_inline)) { return value(i + v * kLanes<T>, kLanes<T>); });
}

// The fold of value(i, count) over a row, where lanes from `count` on are left out. Four vectors are folded among themselves first, so that
// one accumulator, which stays in its register, waits for one operation of each step.
template <typename Op, typename T, typename Value>
class FoldingRow {
 public:
  explicit NAGARE_INLINE FoldingRow(Value value) : value_(value) {}
  NAGARE_INLINE void four(int64_t i) {
    const Several<T, 4> x = four_values<T>(value_, i);
    total_ = Op::apply(total_, Op::apply(Op::apply(x.v[0], x.v[1]), Op::apply(x.v[2], x.v[3])));
  }
  NAGARE_INLINE void one(int64_t i) { total_ = Op::apply(total_, value_(i, kLanes<T>)); }
  NAGARE_INLINE void part(int64_t i, int64_t count) {
    total_ = Op::apply(total_, first_lanes<T>(value_(i, count), count, splat<T>(Op::identity)));
  }
  NAGARE_INLINE T total() const { return fold_lanes<Op, T>(total_); }

 private:
  Value value_;
  Vec<T> total_ = splat<T>(Op::identity);
};

template <typename T, typename Value>
NAGARE_INLINE T sum_row(int64_t n, const Value& value) {
  FoldingRow<Sum<T>, T, Value> row(value);
  walk_rows<T>(n, row);
  return row.total();
}

// Rows that are written past the caches are made in a buffer of this size first.
constexpr int64_t kStreamedRowBytes = int64_t(1) << 14;

// Whether rows of n elements should be streamed, where the whole operation touches `bytes`.
template <typename T>
NAGARE_INLINE bool streams_rows(int64_t bytes, int64_t n) {
  return bytes >= kStreamBytes && n * static_cast<int64_t>(sizeof(T)) <= kStreamedRowBytes;
}

}  // namespace nagare::NAGARE_ISA
