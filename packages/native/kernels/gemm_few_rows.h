// Products with so few rows that the large matrix is used about once per element: vector · matrix, matrix · vector, small batches.
// Memory bandwidth is the limit, so the large matrix is read as it lies, in long runs, and never packed.
#pragma once

#include "blocking.h"
#include "gemm_tile.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {

// Up to here reading the large matrix in place is faster than packing it (measured on Zen 3 and, where there are 32 registers, on Zen 5):
// sums of its rows, and dot products with them.
constexpr int kFewRowsSummed = kVectorRegisters == 32 ? 8 : 4;
constexpr int kFewRowsDotted = kVectorRegisters == 32 ? 8 : 12;
// Every dot product ends with its lanes added up. Tiles, which take no longer for one column than for a vector of them, are quicker where
// that is most of the work of several. Alone it is quicker at any depth.
template <typename T>
constexpr int64_t few_dotted(int64_t depth) {
  return min64(kFewRowsDotted, max64(1, 8 * depth / (5 * kLanes<T>)));
}

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
  bool streamed;  // whether rows of b far apart are read side by side, whole ones for one thread
};

template <typename T>
NAGARE_INLINE T finish_element(const FewRows<T>& p, int64_t i, int64_t j, T value) {
  if (p.bias) value += p.bias[i * p.biasRow + j * p.biasColumn];
  return p.activation == Activation::relu ? relu_scalar(value) : value;
}

// The sums of a chunk of columns, 16 KiB. They are kept apart from c because rows of c a power of two apart evict each other from L1.
constexpr int64_t kSumBytes = int64_t(1) << 14;

constexpr int kSideBySide = 8;

// Rows of a row-major b that are read side by side: `count` of them, at most kSideBySide, from row k on, `apart` rows between two. The first
// ones begin the sums, the last ones complete them.
struct SideBySide {
  int64_t k, count, apart;
  bool first, last;
};

// R rows × columns [j0, j1) of the sums += those rows of b.
template <typename T, int R>
NAGARE_NOINLINE void add_rows(const FewRows<T>& p, const SideBySide& of, int64_t j0, int64_t j1, T* sums) {
  for_halved_lanes<T, 2>(j1 - j0, [&](auto block, int64_t offset) {
    constexpr int V = block.vectors, L = block.lanes;
    typename VectorOf<T, L>::type acc[R][V] = {};
    T* const sum = sums + offset * R;
    if (!of.first) {
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) acc[i][v] = load<T, L>(sum + (i * V + v) * L);
      }
    }
    const T* row = p.b + of.k * p.ldb + j0 + offset;
    const T* a = p.a + of.k;
    const auto add = [&] {
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) {
        const auto column = load<T, L>(row + v * L);
#pragma GCC unroll 8
        for (int i = 0; i < R; i++) acc[i][v] += splat<T, L>(a[i * p.aRow]) * column;
      }
      row += of.apart * p.ldb, a += of.apart;
    };
    // Few sums wait for each other less where the loop is laid out.
    if (R <= 2 && of.count == kSideBySide) {
#pragma GCC unroll 8
      for (int k = 0; k < kSideBySide; k++) add();
    } else {
      for (int64_t k = 0; k < of.count; k++) add();
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) store<T, L>(sum + (i * V + v) * L, acc[i][v]);
    }
    if (!of.last) return;
    for (int i = 0; i < R; i++) {
      T* const c = p.c + i * p.cRow + j0 + offset;
      for (int l = 0; l < V * L; l++) {
        const T value = sum[i * V * L + l];
        c[l] = finish_element(p, i, j0 + offset + l, p.accumulate ? c[l] + value : value);
      }
    }
  });
}

template <typename T, int R = kFewRowsSummed>
NAGARE_INLINE void add_rows_of(const FewRows<T>& p, const SideBySide& of, int64_t j0, int64_t j1, T* sums) {
  if constexpr (R > 1) {
    if (p.rows < R) return add_rows_of<T, R - 1>(p, of, j0, j1, sums);
  }
  add_rows<T, R>(p, of, j0, j1, sums);
}

// Columns [j0, j1) of a row-major b. Eight rows of b are read side by side: neighbours, in long runs; or, if `streamed`, as
// far apart as can be, for then each is a stream without end (30 % faster from memory, measured on Zen 5).
template <typename T>
void multiply_rows(const FewRows<T>& p, int64_t j0, int64_t j1) {
  alignas(64) T sums[kSumBytes / static_cast<int64_t>(sizeof(T))];
  constexpr int64_t step = kSideBySide;
  const int64_t turns = p.depth / step, apart = p.streamed ? turns : 1;
  for (int64_t turn = 0; turn < turns; turn++) {
    const int64_t k = apart == 1 ? turn * step : turn;
    add_rows_of<T>(p, {k, step, apart, turn == 0, (turn + 1) * step == p.depth}, j0, j1, sums);
  }
  const int64_t done = turns * step;
  if (done < p.depth) add_rows_of<T>(p, {done, p.depth - done, 1, turns == 0, true}, j0, j1, sums);
}

// Rows [i0, i0 + R) × columns [j0, j0 + C): dot products along the rows of a transposed b. The columns `ahead` of these are asked for
// meanwhile.
template <typename T, int R, int C>
NAGARE_NOINLINE void dot_tile(const FewRows<T>& p, int64_t i0, int64_t j0, int64_t ahead) {
  constexpr int lanes = kLanes<T>;
  Vec<T> acc[R][C] = {};
  const T* a = p.a + i0 * p.aRow;
  const T* b = p.b + j0 * p.ldb;
  const int64_t next = ahead * p.ldb;
  int64_t k = 0;
  const auto add = [&](int64_t count) {
    Vec<T> row[R];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) row[i] = load_some(a + i * p.aRow + k, count);
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) {
      const Vec<T> column = load_some(b + j * p.ldb + k, count);
      if (kVectorBytes == 64) __builtin_prefetch(b + j * p.ldb + next + k);
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) acc[i][j] += row[i] * column;
    }
    k += count;
  };
  while (k + lanes <= p.depth) add(lanes);
  // Part of a vector takes no longer than a whole one where there are masks, and longer than its elements elsewhere.
  if (kVectorBytes == 64 && k < p.depth) add(p.depth - k);
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < C; j++) {
      T sum = sum_lanes<T>(acc[i][j]);
      for (int64_t rest = k; rest < p.depth; rest++) sum += a[i * p.aRow + rest] * b[j * p.ldb + rest];
      T& out = p.c[(i0 + i) * p.cRow + (j0 + j) * p.cColumn];
      out = finish_element(p, i0 + i, j0 + j, p.accumulate ? out + sum : sum);
    }
  }
}

// The tile of `rows` rows (1 … R) and C columns.
template <typename T, int R, int C>
NAGARE_INLINE void dot_tile_of(const FewRows<T>& p, int rows, int64_t i, int64_t j, int64_t ahead) {
  if constexpr (R > 1) {
    if (rows < R) return dot_tile_of<T, R - 1, C>(p, rows, i, j, ahead);
  }
  dot_tile<T, R, C>(p, i, j, ahead);
}

// Columns [j, j + C): they stay in the cache while the rows of a pass over them, R at a time.
template <typename T, int R, int C>
void dot_columns(const FewRows<T>& p, int64_t j, int64_t ahead) {
  for (int64_t i = 0; i < p.rows; ahead = 0) {
    const int rows = next_tile_rows(p.rows - i, R);
    dot_tile_of<T, R, C>(p, rows, i, j, ahead);
    i += rows;
  }
}

template <typename T>
void multiply_columns(const FewRows<T>& p, int64_t j0, int64_t j1) {
  const SubnormalsAsZero mode;
  if (!p.transposed) return multiply_rows(p, j0, j1);
  // As many sums at a time as registers have room for.
  int64_t j = j0;
  if (kVectorRegisters == 32 && p.rows > 4) {
    for (; j + 2 <= j1; j += 2) dot_columns<T, 8, 2>(p, j, j + 4 <= p.columns ? 2 : 0);
  } else {
    constexpr int rows = kVectorRegisters == 32 ? 4 : 3;
    for (; j + 4 <= j1; j += 4) dot_columns<T, rows, 4>(p, j, j + 8 <= p.columns ? 4 : 0);
  }
  for (; j < j1; j++) dot_columns<T, 4, 1>(p, j, 0);
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
