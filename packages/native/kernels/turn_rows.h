// Short rows as columns: a row of a few elements fills no vector, many rows do.
#pragma once

#include "blocking.h"
#include "transpose_square.h"

namespace nagare::NAGARE_ISA {

// Rows of so few elements are turned, so many at a time.
constexpr int64_t kShortRow = 32;
constexpr int64_t kTurnedRows = 64;

// turn_rows for rows of N elements, where a constant distance lets the compiler take whole vectors.
template <typename T, int64_t N>
NAGARE_INLINE void turn_narrow_rows(const T* from, int64_t rows, T* columns) {
  for (int64_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < N; j++) columns[j * kTurnedRows + i] = from[i * N + j];
  }
}

// columns[j · kTurnedRows + i] = from[i · n + j] for `rows` rows of n elements. So many elements can be read from `from` on as `given` says.
template <typename T>
NAGARE_INLINE void turn_rows(const T* from, int64_t n, int64_t rows, int64_t given, T* columns) {
  if (n == 2) return turn_narrow_rows<T, 2>(from, rows, columns);
  if (n == 3) return turn_narrow_rows<T, 3>(from, rows, columns);
  if (n == 4) return turn_narrow_rows<T, 4>(from, rows, columns);
  // As many rows as a vector has lanes, as many elements of each at a time: the last vector of a row has some of the next.
  using Float = typename FloatOf<sizeof(T)>::type;
  constexpr int64_t side = kLanes<T>;
  int64_t i = 0;
  for (; i + side <= rows && (i + side - 1) * n + round_up(n, side) <= given; i += side) {
    for (int64_t j = 0; j < n; j += side) {
      transpose_lanes(reinterpret_cast<const Float*>(from + i * n + j), n, reinterpret_cast<Float*>(columns + j * kTurnedRows + i), kTurnedRows);
    }
  }
  for (int64_t j = 0; j < n; j++) {
    for (int64_t k = i; k < rows; k++) columns[j * kTurnedRows + k] = from[k * n + j];
  }
}

}  // namespace nagare::NAGARE_ISA
