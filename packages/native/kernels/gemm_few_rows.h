// Products with so few rows that the large matrix is used about once per element: vector · matrix, matrix · vector, small batches.
// Memory bandwidth is the limit, so the large matrix is read as it lies, in long runs, and never packed.
#pragma once

#include "blocking.h"
#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {

// Up to here reading the large matrix in place is faster than packing it (measured on Zen 3): sums of its rows, and dot products with them.
constexpr int kFewRowsSummed = 4;
constexpr int kFewRowsDotted = 12;

// c(i, j) = activation((accumulate ? c : 0) + Σ a[i·aRow + k] · b(k, j) + bias), i < rows, j < columns, k < depth.
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

// The sums of a chunk of columns, 16 KiB. They are kept apart from c because rows of c a power of two apart evict each other from L1.
constexpr int64_t kSumBytes = int64_t(1) << 14;

// R rows × columns [j0, j1) of the sums += rows [k0, k0 + depth) of a row-major b.
template <typename T, int R>
NAGARE_NOINLINE void add_rows(const FewRows<T>& p, int64_t k0, int64_t depth, int64_t j0, int64_t j1, T* sums) {
  for_lanes<T, 2>(j1 - j0, [&](auto block, int64_t offset) {
    constexpr int V = block.vectors, L = block.lanes;
    typename VectorOf<T, L>::type acc[R][V] = {};
    T* const sum = sums + offset * R;
    if (k0 > 0) {
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) acc[i][v] = load<T, L>(sum + (i * V + v) * L);
      }
    }
    const T* row = p.b + k0 * p.ldb + j0 + offset;
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
      for (int v = 0; v < V; v++) store<T, L>(sum + (i * V + v) * L, acc[i][v]);
    }
    if (k0 + depth < p.depth) return;
    for (int i = 0; i < R; i++) {
      T* const c = p.c + i * p.cRow + j0 + offset;
      for (int l = 0; l < V * L; l++) {
        const T value = sum[i * V * L + l];
        c[l] = finish_element(p, i, j0 + offset + l, p.accumulate ? c[l] + value : value);
      }
    }
  });
}

// Columns [j0, j1) of a row-major b. Eight rows of b are read side by side, in long runs.
template <typename T>
void multiply_rows(const FewRows<T>& p, int64_t j0, int64_t j1) {
  alignas(64) T sums[kSumBytes / static_cast<int64_t>(sizeof(T))];
  constexpr int64_t step = 8;
  for (int64_t k0 = 0; k0 < p.depth; k0 += step) {
    const int64_t depth = min64(step, p.depth - k0);
    switch (p.rows) {
      case 1: add_rows<T, 1>(p, k0, depth, j0, j1, sums); break;
      case 2: add_rows<T, 2>(p, k0, depth, j0, j1, sums); break;
      case 3: add_rows<T, 3>(p, k0, depth, j0, j1, sums); break;
      default: add_rows<T, kFewRowsSummed>(p, k0, depth, j0, j1, sums); break;
    }
  }
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
  if (!p.transposed) return multiply_rows(p, j0, j1);
  // Four rows of b stay in the cache while the rows of a pass over them, up to three at a time (12 sums in registers).
  for (int64_t j = j0; j < j1; j += 4) {
    const int64_t end = min64(j1, j + 4);
    int64_t i = 0;
    for (; i + 3 <= p.rows; i += 3) dot_rows<T, 3>(p, i, j, end);
    if (i + 2 <= p.rows) dot_rows<T, 2>(p, i, j, end);
    else if (i < p.rows) dot_rows<T, 1>(p, i, j, end);
  }
}

// done(j0, j1, worker) is called when columns [j0, j1) are finished.
template <typename T, typename Done>
void multiply_few_rows(const FewRows<T>& p, const Parallel& parallel, const Done& done) {
  // Row-major: the sums of a task fit their buffer. Every thread gets two tasks.
  constexpr int64_t sums = kSumBytes / static_cast<int64_t>(sizeof(T));
  const int64_t limit = p.transposed ? p.columns : sums / p.rows / 16 * 16;
  const int64_t even = round_up(divide_up(p.columns, 2 * int64_t(parallel.threads)), p.transposed ? 4 : 16);
  const int64_t share = parallel.threads == 1 ? p.columns : even;
  const int64_t columns = max64(1, min64(limit, share));
  parallel_for(parallel, divide_up(p.columns, columns), [&](int64_t index, int worker) {
    const int64_t first = index * columns, last = min64(p.columns, first + columns);
    multiply_columns(p, first, last);
    done(first, last, worker);
  });
}

}  // namespace nagare::NAGARE_ISA
