// Where the extremes of rows and columns stand: the inner loops of argMax and argMin.
#pragma once

#include "reduce_fold.h"

namespace nagare::NAGARE_ISA {

// An extreme and its position.
template <typename T>
struct Best {
  T value;
  int64_t at;
};

// Whether v takes the place of b, which stands before it: strictly better, or the first NaN.
template <typename Op, typename T>
NAGARE_INLINE bool takes_place(T b, T v) {
  return Op::apply(b, v) != b && b == b;
}

// The first element equal to `value`, or the first NaN if that is one; there is such an element.
template <typename T>
NAGARE_INLINE int64_t find_first(const T* x, int64_t n, T value) {
  int64_t i = 0;
  if constexpr (sizeof(T) == sizeof(int32_t)) {
    constexpr int N = kLanes<T>;
    const Vec<T> all = splat(value);
    for (; i + N <= n; i += N) {
      const Vec<T> v = load(x + i);
      if (any((v == all) | ((v != v) & (all != all)))) break;
    }
  }
  for (; i < n; i++) {
    if (x[i] == value || (x[i] != x[i] && value != value)) return i;
  }
  return 0;
}

// The extremes of blocks first, then the position in the block that has the best.
template <typename Op, typename T>
Best<T> best_in_row(Source<T>& x, int64_t index, int64_t n) {
  T buffer[kRowBlock];
  Best<T> best{};
  for (int64_t i = 0; i < n; i += kRowBlock) {
    const int64_t count = n - i < kRowBlock ? n - i : kRowBlock;
    const T value = fold_block<Op, T>(x.read(index + i, count, buffer).first, count);
    if (i == 0 || takes_place<Op>(best.value, value)) best = {value, i};
  }
  const int64_t count = n - best.at < kRowBlock ? n - best.at : kRowBlock;
  best.at += find_first(x.read(index + best.at, count, buffer).first, count, best.value);
  return best;
}

// Takes the elements of row `row` into account: `to` are the positions of the best so far.
template <typename Op, typename T>
NAGARE_INLINE void advance_positions(const T* from, int64_t columns, int64_t row, T* best, int32_t* to) {
  int64_t c = 0;
  if constexpr (sizeof(T) == sizeof(int32_t)) {
    constexpr int N = kLanes<T>;
    const Vec<int32_t> here = splat<int32_t>(static_cast<int32_t>(row));
    for (; c + N <= columns; c += N) {
      const Vec<T> b = load(best + c), v = load(from + c);
      const auto better = (Op::apply(b, v) != b) & (b == b);
      store(best + c, better ? v : b);
      store(to + c, better ? here : load(to + c));
    }
  }
  for (; c < columns; c++) {
    const bool better = takes_place<Op>(best[c], from[c]);
    best[c] = better ? from[c] : best[c];
    to[c] = better ? static_cast<int32_t>(row) : to[c];
  }
}

// The best of `rows` rows, `stride` apart, in columns [index, index + columns), and which rows they are of; columns ≤ kColumnTile.
template <typename Op, typename T>
void best_in_columns(const Source<T>& x, int64_t index, int64_t rows, int64_t stride, int64_t columns, T* best, int32_t* at) {
  T buffer[kColumnTile];
  __builtin_memcpy(best, x.read_apart(index, columns, buffer, columns, stride), static_cast<size_t>(columns) * sizeof(T));
  for (int64_t c = 0; c < columns; c++) at[c] = 0;
  for (int64_t row = 1; row < rows; row++) {
    advance_positions<Op, T>(x.read_apart(index + row * stride, columns, buffer, columns, stride), columns, row, best, at);
  }
}

// The same for rows of few elements, one behind the other: `Group` of them are taken as one wide row.
template <typename Op, typename T, int64_t Group>
void best_in_narrow_columns(const Source<T>& x, int64_t index, int64_t rows, int64_t columns, T* best, int32_t* at) {
  T wide[Group * Group], buffer[Group];
  int32_t rowOf[Group * Group];
  const int64_t groups = rows / Group;
  best_in_columns<Op, T>(x, index, groups, columns * Group, columns * Group, wide, rowOf);
  for (int64_t c = 0; c < columns; c++) {
    best[c] = wide[c];
    at[c] = rowOf[c] * static_cast<int32_t>(Group);
    for (int64_t k = 1; k < Group; k++) {
      const T value = wide[k * columns + c];
      const int32_t row = rowOf[k * columns + c] * static_cast<int32_t>(Group) + static_cast<int32_t>(k);
      const bool equal = value == best[c] || (value != value && best[c] != best[c]);
      if (!(takes_place<Op>(best[c], value) || (equal && row < at[c]))) continue;
      best[c] = value;
      at[c] = row;
    }
  }
  for (int64_t row = groups * Group; row < rows; row++) {
    advance_positions<Op, T>(x.read_apart(index + row * columns, columns, buffer, columns, columns), columns, row, best, at);
  }
}

}  // namespace nagare::NAGARE_ISA
