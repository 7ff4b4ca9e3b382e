// Blocks of a transposition: y[i · toRow + j] = x[j · fromRow + i] for rows × columns of y.
#pragma once

#include "blocking.h"
#include "copy_elements.h"
#include "transpose_square.h"

namespace nagare::NAGARE_ISA {

// Side of the blocks: rows of 256 bytes, so that the memory is read in useful pieces.
template <typename T>
constexpr int64_t kBlock = 256 / static_cast<int64_t>(sizeof(T)) < 64 ? 256 / static_cast<int64_t>(sizeof(T)) : 64;
// Side of the squares that are transposed in registers.
template <typename T>
constexpr int64_t kSquare = sizeof(T) < 4 ? 16 / static_cast<int64_t>(sizeof(T)) : kLanes<T>;
// Rows so many bytes apart, or a multiple of it, share few places of the first cache.
constexpr int64_t kCrowdedStride = 1024;

template <typename T>
NAGARE_INLINE void transpose_square(const T* x, int64_t fromRow, T* y, int64_t toRow) {
  if constexpr (sizeof(T) < 4) {
    transpose_narrow(x, fromRow, y, toRow);
  } else {
    using Float = typename FloatOf<sizeof(T)>::type;
    transpose_lanes(reinterpret_cast<const Float*>(x), fromRow, reinterpret_cast<Float*>(y), toRow);
  }
}

// How many of n elements squares cover, the last of which may begin before the one before it ends. A few are better taken one by one.
template <typename T>
constexpr int64_t covered(int64_t n) {
  constexpr int64_t N = kSquare<T>;
  return n < N || n % N < N / 4 ? n / N * N : n;
}

// A block of at most kBlock<T> rows and columns. It passes through a buffer, so that each cache line of x and of y is touched once and
// whole: with strides of a power of two, lines of different rows drive each other out. Where a square's rows are cache lines, and do not
// or are all there is, no buffer is wanted.
template <typename T>
NAGARE_INLINE void transpose_block(const T* x, int64_t fromRow, T* y, int64_t toRow, int64_t rows, int64_t columns) {
  constexpr int64_t N = kSquare<T>, side = kBlock<T>, bytes = static_cast<int64_t>(sizeof(T));
  const bool isDirect = N * bytes == kLine && (toRow * bytes % kCrowdedStride != 0 || columns == N);
  T buffer[side * side];
  T* const to = isDirect ? y : buffer;
  const int64_t step = isDirect ? toRow : side, inRows = covered<T>(rows), inColumns = covered<T>(columns);
  const auto copy = [&](int64_t i0, int64_t j0, int64_t j1) {
    for (int64_t j = j0; j < j1; j++)
      for (int64_t i = i0; i < rows; i++) to[i * step + j] = x[j * fromRow + i];
  };
  for (int64_t j = 0; j < inColumns; j += N) {
    const int64_t column = min64(j, inColumns - N);
    for (int64_t i = 0; i < inRows; i += N) {
      const int64_t row = min64(i, inRows - N);
      transpose_square(x + column * fromRow + row, fromRow, to + row * step + column, step);
    }
  }
  if (inRows < rows) copy(inRows, 0, inColumns);
  copy(0, inColumns, columns);
  if (isDirect) return;
  for (int64_t i = 0; i < rows; i++) copy_elements(buffer + i * side, y + i * toRow, columns);
}

// A few rows of x in turns, y[i · K + j] = x[j · fromRow + i]: a constant number of them becomes whole vectors.
template <int64_t K, typename T>
NAGARE_INLINE void take_turns(const T* x, int64_t fromRow, T* y, int64_t rows) {
  for (int64_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < K; j++) y[i * K + j] = x[j * fromRow + i];
  }
}
template <typename T>
NAGARE_INLINE void take_turns(const T* x, int64_t fromRow, T* y, int64_t toRow, int64_t rows, int64_t columns) {
  if (toRow == columns && columns == 2) return take_turns<2>(x, fromRow, y, rows);
  if (toRow == columns && columns == 3) return take_turns<3>(x, fromRow, y, rows);
  if (toRow == columns && columns == 4) return take_turns<4>(x, fromRow, y, rows);
  for (int64_t j = 0; j < columns; j++) {
    for (int64_t i = 0; i < rows; i++) y[i * toRow + j] = x[j * fromRow + i];
  }
}

}  // namespace nagare::NAGARE_ISA
