// One product of two matrices, block by block: how A and B are packed, and how packed blocks are multiplied.
#pragma once

#include "blocking.h"
#include "gemm_pack.h"
#include "gemm_tile.h"

namespace nagare::NAGARE_ISA {

// Depth of a block: a panel of B is then 16 KiB and stays in L1.
constexpr int64_t kDepth = 256;
// A super-block of packed B is at most 6 MiB of floats. It is wide rather than deep: A is packed once per super-block of columns.
constexpr int64_t kSuperColumns = 3072;
constexpr int64_t kSuperElements = int64_t(3) << 19;
// Rows of A packed at a time: 144 · 256 floats are 144 KiB, a third of a common L2.
constexpr int64_t kRows = 144;

// One matrix product of the batch.
template <typename T>
struct Product {
  const GemmParams* params;
  const T* a;
  const T* b;
  T* c;
  const T* bias;
};

// A super-block of B: depth [k0, k1) in blocks of `depth`, columns [n0, n1). Its panels follow each other, depth block after depth block.
template <typename T>
struct SuperBlock {
  int64_t k0, k1, n0, n1, depth;

  // Elements before the panel of depth block k and column n.
  int64_t panel(int64_t k, int64_t n) const { return (k - k0) * padded_columns<T>(n1 - n0) + (n - n0) * min64(depth, k1 - k); }
};

// With few columns every element of A is used so seldom that packing it would cost a good part of the product.
template <typename T>
inline bool reads_a_in_place(const GemmParams& p) {
  return p.n <= 3 * kTileColumns<T>;
}

// Packs columns [j0, j1) of depth [k0, k1) of op(B) into the panels of a super-block.
template <typename T>
inline void pack_b(const Product<T>& product, const SuperBlock<T>& block, int64_t k0, int64_t k1, int64_t j0, int64_t j1, T* packed) {
  const GemmParams& p = *product.params;
  constexpr int64_t width = kTileColumns<T>;
  // B itself: a few rows at a time over all panels, so that reads stay within pages. Bᵀ: along its rows.
  const int64_t step = p.transposeB ? block.depth : 8;
  for (int64_t k = k0; k < k1;) {
    const int64_t first = block.k0 + (k - block.k0) / block.depth * block.depth, depth = min64(block.depth, block.k1 - first);
    const int64_t count = min64(step, min64(k1, first + depth) - k);
    for (int64_t j = j0; j < j1; j += width) {
      const int64_t columns = min64(width, j1 - j), panelWidth = padded_columns<T>(columns);
      T* const to = packed + block.panel(first, j) + (k - first) * panelWidth;
      if (p.transposeB) pack_across(product.b + j * p.ldb + k, p.ldb, columns, count, to, panelWidth);
      else pack_along(product.b + k * p.ldb + j, p.ldb, columns, count, to, panelWidth);
    }
    k += count;
  }
}

// Packs rows [m0, m1) of depth [k0, k0 + depth) of op(A): one panel per tile, panel of row m at (m − m0)·depth.
template <typename T>
inline void pack_a(const Product<T>& product, int64_t k0, int64_t depth, int64_t m0, int64_t m1, T* packed) {
  const GemmParams& p = *product.params;
  if (!p.transposeA) {
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m);
      pack_across(product.a + m * p.lda + k0, p.lda, rows, depth, packed + (m - m0) * depth, rows);
      m += rows;
    }
    return;
  }
  constexpr int64_t step = 8;
  for (int64_t k = 0; k < depth; k += step) {
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m);
      pack_along(product.a + (k0 + k) * p.lda + m, p.lda, rows, min64(step, depth - k), packed + (m - m0) * depth + k * rows, rows);
      m += rows;
    }
  }
}

// Rows [m0, m1) × columns [n0, n1) of C += depth [k0, k0 + depth), given the packed panels of those columns and, unless A is read in
// place, of those rows.
template <typename T>
inline void multiply_block(const Product<T>& product, int64_t k0, int64_t depth, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                           const T* packedB, const T* packedA) {
  const GemmParams& p = *product.params;
  const bool inPlace = reads_a_in_place<T>(p);
  const bool last = k0 + depth == p.k;
  TileOutput<T> out;
  out.accumulate = k0 > 0 || p.accumulate;
  out.activation = last ? p.activation : Activation::none;
  for (int64_t n = n0; n < n1; n += kTileColumns<T>) {
    out.columns = min64(kTileColumns<T>, n1 - n);
    out.bias = last && product.bias ? product.bias + n : nullptr;
    const int vectors = tile_vectors<T>(out.columns);
    const T* panel = packedB + (n - n0) * depth;
    const int64_t panelWidth = vectors * kLanes<T>;
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m);
      T* targets[kTileRows];
      for (int i = 0; i < rows; i++) targets[i] = product.c + (m + i) * p.ldc;
      out.rows = targets, out.first = n;
      if (inPlace && !p.transposeA) {
        const T* sources[kTileRows];
        for (int i = 0; i < rows; i++) sources[i] = product.a + (m + i) * p.lda + k0;
        tile_function<T, UnitRows<T>>(rows, vectors)({sources}, panel, panelWidth, depth, out);
      } else {
        const PackedRows<T> transposed = {product.a + k0 * p.lda + m, p.lda}, packed = {packedA + (m - m0) * depth, rows};
        tile_function<T, PackedRows<T>>(rows, vectors)(inPlace ? transposed : packed, panel, panelWidth, depth, out);
      }
      m += rows;
    }
  }
}

}  // namespace nagare::NAGARE_ISA
