// The tile of the first rows that meet a panel of B. It reads the panel where it lies and leaves it packed for the tiles of the other rows:
// the stores find room between the multiply-adds, and a panel is in L2 when they want it. Packing before would be a twentieth of a product
// of 1024³ on two threads, and a tenth of one of 512³ (measured on Zen 5); of one of 128³, a fifteenth on one thread (on Zen 3).
#pragma once

#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {

// Where vectors are shorter, all threads pack together (Parts).
constexpr bool kPacksWithFirstTile = kVectorBytes >= 32;

// Rows of B that are asked for before they are read: the processor does not see that they lie equally far apart. Twice as many would drive
// each other out of a first cache of 12 ways, where they are a power of two apart.
constexpr int64_t kRowsAhead = 8;

// Whether panels are whole lines where they lie: otherwise each of their vectors takes two reads, and that costs more than is saved.
template <typename T>
inline bool packs_with_first_tile(const T* b, int64_t ldb) {
  return kPacksWithFirstTile && ldb % kLanes<T> == 0 && reinterpret_cast<uintptr_t>(b) % kVectorBytes == 0;
}

// The rows of A: element k of row i.
template <typename T, int R>
struct RowsOfTile {
  const T* row[R];
  int64_t step;

  explicit RowsOfTile(const PackedRows<T>& rows) : step(rows.stride) {
    for (int i = 0; i < R; i++) row[i] = rows.base + i;
  }
  explicit RowsOfTile(const UnitRows<T>& rows) : step(1) {
    for (int i = 0; i < R; i++) row[i] = rows.first + i * rows.stride;
  }
};

template <typename T, int R, int V, typename Rows>
NAGARE_NOINLINE void compute_first_tile(const Rows& rows, const T* b, int64_t ldb, T* panel, int64_t depth, const TileOutput<T>& out) {
  constexpr int lanes = kLanes<T>;
  const RowsOfTile<T, R> of(rows);
  Vec<T> acc[R][V] = {};
  for (int64_t k = 0, at = 0; k < depth; k++, at += of.step) {
    Vec<T> column[V];
#pragma GCC unroll 16
    for (int j = 0; j < V; j++) {
      __builtin_prefetch(b + kRowsAhead * ldb + j * lanes);
      column[j] = load(b + j * lanes);
      store(panel + j * lanes, column[j]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
      const Vec<T> value = splat(of.row[i][at]);
#pragma GCC unroll 16
      for (int j = 0; j < V; j++) acc[i][j] += value * column[j];
    }
    b += ldb;
    panel += V * lanes;
  }
  finish_tile<T, R, V>(acc, [&](int i) { return out.c + i * out.stride; }, out);
}

// The tile of R rows and `vectors` vectors.
template <typename T, int R, typename Rows>
inline void first_tile(int vectors, const Rows& rows, const T* b, int64_t ldb, T* panel, int64_t depth, const TileOutput<T>& out) {
  if (vectors == 1) return compute_first_tile<T, R, 1>(rows, b, ldb, panel, depth, out);
  if (vectors == 2) return compute_first_tile<T, R, 2>(rows, b, ldb, panel, depth, out);
  compute_first_tile<T, R, 3>(rows, b, ldb, panel, depth, out);
}

}  // namespace nagare::NAGARE_ISA
