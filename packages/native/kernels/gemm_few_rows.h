// Products with so few rows that the large matrix is used about once per element: vector · matrix, matrix · vector, small batches.
// Memory bandwidth is the limit, so the large matrix is read as it lies, in long runs, and never packed.
#pragma once

#include "gemm_blocking.h"
#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {

constexpr int kFewRows = 6;

// c(i, j) = activation((accumulate ? c : 0) + Σ a[i·aRow + k] · b(k, j) + bias), i < rows ≤ kFewRows, j < columns, k < depth.
// b(k, j) is b[k·ldb + j], or b[j·ldb + k] when `transposed`. The result may lie transposed: c(i, j) is c[i·cRow + j·cColumn].
template <typename T>
struct FewRows {
  int64_t rows, columns, depth;
  const T* a;
  int64_t aRow;
  const T* b;
  int64_t ldb;
  bool transposed;
  T* c;
  int64_t cRow, cColumn;
  const T* bias;
  int64_t biasRow, biasColumn;
  bool accumulate;
  Activation activation;
};

template <typename T>
NAGARE_INLINE T finish_element(const FewRows<T>& p, int64_t i, int64_t j, T value) {
  if (p.bias) value += p.bias[i * p.biasRow + j * p.biasColumn];
  return p.activation == Activation::relu ? relu_scalar(value) : value;
}

// R rows × columns [j0, j1) of a row-major b: a few rows of b at a time are added to rows of c that stay in L1. cColumn is 1.
template <typename T, int R>
void add_rows(const FewRows<T>& p, int64_t j0, int64_t j1) {
  constexpr int64_t step = 8;
  for (int64_t k0 = 0; k0 < p.depth; k0 += step) {
    const int64_t depth = min64(step, p.depth - k0);
    const bool add = k0 > 0 || p.accumulate;
    for_lanes<T, 2>(j1 - j0, [&](auto block, int64_t offset) {
      constexpr int V = block.vectors, L = block.lanes;
      typename VectorOf<T, L>::type acc[R][V] = {};
      const int64_t j = j0 + offset;
      if (add) {
#pragma GCC unroll 8
        for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
          for (int v = 0; v < V; v++) acc[i][v] = load<T, L>(p.c + i * p.cRow + j + v * L);
        }
      }
      const T* row = p.b + k0 * p.ldb + j;
      const T* a = p.a + k0;
      for (int64_t k = 0; k < depth; k++, row += p.ldb) {
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) {
          const auto column = load<T, L>(row + v * L);
#pragma GCC unroll 8
          for (int i = 0; i < R; i++) acc[i][v] += splat<T, L>(a[i * p.aRow + k]) * column;
        }
      }
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) store<T, L>(p.c + i * p.cRow + j + v * L, acc[i][v]);
      }
    });
  }
  if (!p.bias && p.activation == Activation::none) return;
  for (int64_t i = 0; i < R; i++)
    for (int64_t j = j0; j < j1; j++) p.c[i * p.cRow + j] = finish_element(p, i, j, p.c[i * p.cRow + j]);
}

// Rows [i, i + R) × columns [j, j + C): dot products along the rows of a transposed b.
template <typename T, int R, int C>
NAGARE_INLINE void dot_tile(const FewRows<T>& p, int64_t i0, int64_t j0) {
  constexpr int lanes = kLanes<T>;
  Vec<T> acc[R][C] = {};
  const T* a = p.a + i0 * p.aRow;
  const T* b = p.b + j0 * p.ldb;
  int64_t k = 0;
  for (; k + lanes <= p.depth; k += lanes) {
    Vec<T> row[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) row[i] = load(a + i * p.aRow + k);
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) {
      const Vec<T> column = load(b + j * p.ldb + k);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] += row[i] * column;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) {
      T part[lanes];
      store(part, acc[i][j]);
      // Halves are added to halves: log₂ steps, and the rounding of a tree.
      for (int half = lanes / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) part[l] += part[l + half];
      T sum = part[0];
      for (int64_t rest = k; rest < p.depth; rest++) sum += a[i * p.aRow + rest] * b[j * p.ldb + rest];
      T& out = p.c[(i0 + i) * p.cRow + (j0 + j) * p.cColumn];
      out = finish_element(p, i0 + i, j0 + j, p.accumulate ? out + sum : sum);
    }
  }
}

template <typename T, int R>
NAGARE_NOINLINE void dot_rows(const FewRows<T>& p, int64_t i, int64_t j0, int64_t j1) {
  int64_t j = j0;
  for (; j + 4 <= j1; j += 4) dot_tile<T, R, 4>(p, i, j);
  for (; j < j1; j++) dot_tile<T, R, 1>(p, i, j);
}

template <typename T>
void multiply_columns(const FewRows<T>& p, int64_t j0, int64_t j1) {
  if (!p.transposed) {
    switch (p.rows) {
      case 1: return add_rows<T, 1>(p, j0, j1);
      case 2: return add_rows<T, 2>(p, j0, j1);
      case 3: return add_rows<T, 3>(p, j0, j1);
      case 4: return add_rows<T, 4>(p, j0, j1);
      case 5: return add_rows<T, 5>(p, j0, j1);
      default: return add_rows<T, 6>(p, j0, j1);
    }
  }
  // Four rows of b stay in the cache while the rows of a pass over them, up to three at a time (12 sums in registers).
  for (int64_t j = j0; j < j1; j += 4) {
    const int64_t end = min64(j1, j + 4);
    int64_t i = 0;
    for (; i + 3 <= p.rows; i += 3) dot_rows<T, 3>(p, i, j, end);
    if (i + 2 <= p.rows) dot_rows<T, 2>(p, i, j, end);
    else if (i < p.rows) dot_rows<T, 1>(p, i, j, end);
  }
}

template <typename T>
void multiply_few_rows(const FewRows<T>& p, const Parallel& parallel, int64_t serialProduct) {
  // The rows of c that add_rows works on are at most 16 KiB.
  int64_t columns = p.transposed ? p.columns : min64(p.columns, round_up((1 << 14) / static_cast<int64_t>(sizeof(T)) / p.rows, 64));
  if (p.rows * p.columns * p.depth > serialProduct) {
    columns = max64(p.transposed ? 4 : 64, min64(columns, round_up(divide_up(p.columns, 2 * int64_t(parallel.threads)), 64)));
  }
  parallel_for(parallel, divide_up(p.columns, columns),
               [&](int64_t index, int) { multiply_columns(p, index * columns, min64(p.columns, (index + 1) * columns)); });
}

}  // namespace nagare::NAGARE_ISA
