// One product of two matrices, block by block: how A and B are packed, and how packed blocks are multiplied.
#pragma once

#include "blocking.h"
#include "gemm_first_tile.h"
#include "gemm_pack.h"
#include "gemm_tile.h"
#include "subnormals.h"

namespace nagare::NAGARE_ISA {

// Depth of a block. A panel of B is 36 KiB where vectors have 32 bytes, and passes through L1 from L2; shallower ones would stay there, but
// C is read and written once for each depth block, which costs more (measured on Zen 3). Where vectors have 64 bytes that weighs the more,
// and L2 has at least 1 MiB (measured on Zen 5).
constexpr int64_t kDepth = kVectorBytes == 64 ? 512 : 384;
// A super-block of packed B is at most 6 MiB of floats. It is wide rather than deep: A is packed once per super-block of columns.
constexpr int64_t kSuperColumns = 3072;
constexpr int64_t kSuperElements = int64_t(3) << 19;
// Rows of A packed at a time: with that depth they are about half of a small L2.
template <typename T>
constexpr int64_t kRows = 768 / static_cast<int64_t>(sizeof(T));
// A factor of at most this size that lies together is read where it lies: packing it would take a good part of the product.
constexpr int64_t kInPlaceBytes = int64_t(40) << 10;

// The tile of packed products.
template <typename T>
constexpr int kPanelRows = kHasWideTile<T> ? kWideTileRows : kTileRows;
template <typename T>
constexpr int kPanelVectors = kHasWideTile<T> ? kWideTileVectors : kTileVectors;

// One matrix product of the batch.
template <typename T>
struct Product {
  const GemmParams* params;
  const T* a;
  const T* b;
  T* c;
  const T* bias;
  int64_t firstElement;   // elements of C before this matrix
  int worker;             // who computes it, where each matrix is one thread's
  bool streamed = false;  // whether it is a slice of one row of sums with a matrix from memory
};

// Rows [m0, m1) × columns [n0, n1) of C are finished.
template <typename T>
inline void finish_region(const Product<T>& product, int worker, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  const GemmParams& p = *product.params;
  if (!p.finish) return;
  const auto run = [&](int64_t first, int64_t last) {
    p.finish->run(p.finish->context, product.worker + worker, product.firstElement + first, product.firstElement + last);
  };
  if (n1 - n0 == p.n) return run(m0 * p.n, m1 * p.n);
  for (int64_t m = m0; m < m1; m++) run(m * p.n + n0, m * p.n + n1);
}

// The panels of B that cover `columns` columns: full ones, except that the last two share what is left, for a tile of one vector keeps
// the multiply-add units half as busy as one of two.
template <typename T>
struct Panels {
  static constexpr int64_t width = kPanelVectors<T> * kLanes<T>;
  int64_t columns, count, last;

  explicit Panels(int64_t columns) : columns(columns), count(divide_up(columns, width)), last(0) {
    if (count < 2) return;
    const int64_t vectors = divide_up(columns - (count - 2) * width, kLanes<T>);
    last = (count - 2) * width + (vectors + 1) / 2 * kLanes<T>;
  }

  // The first column of a panel; of the one after the last, the number of columns.
  int64_t first(int64_t panel) const { return panel == count ? columns : panel == count - 1 ? last : panel * width; }
};

// A super-block of B: depth [k0, k1) in blocks of `depth`, columns [n0, n1). Its panels follow each other, depth block after depth block.
template <typename T>
struct SuperBlock {
  int64_t k0, k1, n0, n1, depth;
  Panels<T> panels;

  SuperBlock(int64_t k0, int64_t k1, int64_t n0, int64_t n1, int64_t depth)
      : k0(k0), k1(k1), n0(n0), n1(n1), depth(depth), panels(n1 - n0) {}

  int64_t depth_at(int64_t k) const { return min64(depth, k1 - k); }
  // Elements before a panel of the depth block at k.
  int64_t offset(int64_t k, int64_t panel) const {
    return (k - k0) * padded_columns<T>(n1 - n0) + panels.first(panel) * depth_at(k);
  }
};

template <typename T>
inline bool is_small_and_dense(int64_t rows, int64_t columns, int64_t ld) {
  return ld == columns && rows * columns * static_cast<int64_t>(sizeof(T)) <= kInPlaceBytes;
}

// Several panels of B stay in L1 beside a tile of rows, which then meets all of them at once: C is written in the order it lies in memory.
constexpr int64_t kNearBytes = int64_t(1) << 14;
template <typename T>
inline bool keeps_b_near(const GemmParams& p) {
  return p.n > Panels<T>::width && p.k * padded_columns<T>(p.n) * static_cast<int64_t>(sizeof(T)) <= kNearBytes;
}

// With few columns, or rows that are used up at once, packing A would cost a good part of the product.
template <typename T>
inline bool reads_a_in_place(const GemmParams& p) {
  if (keeps_b_near<T>(p) && !p.transposeA) return true;
  return p.n <= 3 * kTileColumns<T> || is_small_and_dense<T>(p.transposeA ? p.k : p.m, p.transposeA ? p.m : p.k, p.lda);
}

// B is small, or so narrow that it is a packed panel as it lies. Its rows are whole vectors: tiles read nothing else.
template <typename T>
inline bool reads_b_in_place(const GemmParams& p) {
  if (p.packedB || p.transposeB || p.ldb != p.n || p.n % kLanes<T> != 0) return false;
  return p.n <= Panels<T>::width || is_small_and_dense<T>(p.k, p.n, p.ldb);
}

// Rows of a tile of `vectors` vectors whose rows of A are not packed: as many as keep the multiply-add units busy.
template <typename T>
constexpr int unpacked_rows(int64_t vectors) {
  return vectors <= kTileVectors ? kTileRows : kPanelRows<T>;
}

// Packs depth [k0, k1) of panels [panel0, panel1) of op(B).
template <typename T>
inline void pack_b(const Product<T>& product, const SuperBlock<T>& block, int64_t k0, int64_t k1, int64_t panel0, int64_t panel1,
                   T* packed) {
  const GemmParams& p = *product.params;
  // B itself: a few rows at a time over all panels, so that reads stay within pages. Bᵀ: along its rows.
  const int64_t step = p.transposeB ? block.depth : 4;
  for (int64_t k = k0; k < k1;) {
    const int64_t first = block.k0 + (k - block.k0) / block.depth * block.depth;
    const int64_t count = min64(step, min64(k1, first + block.depth) - k);
    for (int64_t panel = panel0; panel < panel1; panel++) {
      const int64_t j = block.n0 + block.panels.first(panel), columns = block.n0 + block.panels.first(panel + 1) - j;
      const int64_t width = padded_columns<T>(columns);
      T* const to = packed + block.offset(first, panel) + (k - first) * width;
      if (p.transposeB) pack_across(product.b + j * p.ldb + k, p.ldb, columns, count, to, width);
      else {
        const T* const from = product.b + k * p.ldb + j;
        // Of the rows after these, what belongs to this panel: the run along a row is too short for the processor to see it in time.
        for (int64_t r = count; kAsksAhead && r < 2 * count; r++)
          for (int64_t n = 0; n < columns; n += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(from + r * p.ldb + n);
        pack_along(from, p.ldb, columns, count, to, width);
      }
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
      const int rows = next_tile_rows(m1 - m, kPanelRows<T>);
      pack_across(product.a + m * p.lda + k0, p.lda, rows, depth, packed + (m - m0) * depth, rows);
      m += rows;
    }
    return;
  }
  constexpr int64_t step = 8;
  for (int64_t k = 0; k < depth; k += step) {
    for (int64_t m = m0; m < m1;) {
      const int rows = next_tile_rows(m1 - m, kPanelRows<T>);
      pack_along(product.a + (k0 + k) * p.lda + m, p.lda, rows, min64(step, depth - k), packed + (m - m0) * depth + k * rows, rows);
      m += rows;
    }
  }
}

// Brings the next panel of B nearer, a share with every tile: it lies in L3, or with another core, too far for the loads of a tile to wait
// for.
class NextPanel {
 public:
  NextPanel(const void* first, int64_t bytes, int64_t tiles)
      : at_(static_cast<const char*>(first)),
        end_(at_ + bytes),
        share_(min64(1024, round_up(divide_up(bytes, max64(1, tiles)), 64))) {}

  // What a tile of that depth asks for while it computes; or asks for it at once.
  LinesAhead share(int64_t depth) {
    if constexpr (kAsksAhead) {
      const LinesAhead lines = at_ < end_ ? LinesAhead{at_, 64} : LinesAhead{};
      at_ += depth / kLineSteps * lines.step;
      return lines;
    }
    const char* const end = end_ - at_ < share_ ? end_ : at_ + share_;
    for (; at_ < end; at_ += 64) __builtin_prefetch(at_, 0, 2);
    return {};
  }

 private:
  const char *at_, *end_;
  int64_t share_;
};

// Rows [m0, m1) × panels [panel0, panel1) of C += the depth block at k, given the packed super-block of B and, unless A is read in place,
// the packed rows of that depth. `packing` is where these panels of B are to be left packed, or null where they are so already.
template <typename T>
inline void multiply_block(const Product<T>& product, const SuperBlock<T>& block, int64_t k, int64_t m0, int64_t m1, int64_t panel0,
                           int64_t panel1, const T* packedB, const T* packedA, T* packing) {
  const SubnormalsAsZero mode;
  const GemmParams& p = *product.params;
  const bool inPlaceA = reads_a_in_place<T>(p), inPlaceB = reads_b_in_place<T>(p), near = keeps_b_near<T>(p);
  const bool tilePacks = !p.transposeB && packs_with_first_tile(product.b, p.ldb);
  const int64_t depth = block.depth_at(k);
  const bool last = k + depth == p.k;
  TileOutput<T> out;
  out.stride = p.ldc;
  out.accumulate = k > 0 || p.accumulate;
  out.activation = last ? p.activation : Activation::none;
  const int64_t tilesAhead = depth > 128 ? 1 : near ? 2 : 4;
  // Of the widest panel: the last two are alike.
  const int64_t widest = block.panels.count > 2 ? kPanelVectors<T> : divide_up(block.panels.first(1), kLanes<T>);
  const int nearRows = inPlaceA ? unpacked_rows<T>(widest) : kPanelRows<T>;
  for (int64_t rows0 = m0; rows0 < m1;) {
    const int64_t rows1 = near ? rows0 + next_tile_rows(m1 - rows0, nearRows) : m1;
    for (int64_t j = panel0; j < panel1; j++) {
      const int64_t n = block.n0 + block.panels.first(j);
      out.columns = block.n0 + block.panels.first(j + 1) - n;
      out.bias = last && product.bias ? product.bias + n : nullptr;
      const int64_t width = padded_columns<T>(out.columns);
      const int vectors = static_cast<int>(width / kLanes<T>);
      const T* panel = inPlaceB ? product.b + k * p.ldb + n : packedB + block.offset(k, j);
      const int64_t panelStride = inPlaceB ? p.ldb : width;
      const int mostRows = near ? nearRows : inPlaceA ? unpacked_rows<T>(vectors) : kPanelRows<T>;
      const bool packsNow = packing && rows0 == m0;
      const bool byTile = packsNow && tilePacks && out.columns == width && mostRows == kPanelRows<T> && m1 - m0 >= 2 * mostRows;
      if (packsNow && !byTile) pack_b(product, block, k, k + depth, j, j + 1, packing);
      const bool fetches = j + 1 < panel1 && !inPlaceB && !near && !packing;
      const int64_t nextBytes = fetches ? (block.panels.first(j + 2) - block.panels.first(j + 1)) * depth * sizeof(T) : 0;
      NextPanel next(panel + width * depth, nextBytes, divide_up(rows1 - rows0, kPanelRows<T>));
      for (int64_t m = rows0; m < rows1;) {
        const int rows = next_tile_rows(rows1 - m, mostRows);
        out.c = product.c + m * p.ldc + n;
        out.ahead = tilesAhead * rows * p.ldc;
        const LinesAhead ahead = next.share(depth);
        const auto multiply = [&](const auto& from) {
          if constexpr (kPacksWithFirstTile) {
            if (byTile && m == m0) {
              first_tile<T, kPanelRows<T>>(vectors, from, product.b + k * p.ldb + n, p.ldb, packing + block.offset(k, j), depth, out);
              return;
            }
          }
          tile_function_for<T>(from, rows, vectors)(from, panel, panelStride, depth, out);
        };
        if (inPlaceA && !p.transposeA) {
          multiply(UnitRows<T>{product.a + m * p.lda + k, p.lda, m + 2 * rows <= p.m ? rows * p.lda : 0});
        } else {
          const T* const base = inPlaceA ? product.a + k * p.lda + m : packedA + (m - m0) * depth;
          multiply(PackedRows<T>{base, inPlaceA ? p.lda : rows, ahead});
        }
        m += rows;
      }
    }
    rows0 = rows1;
  }
}

}  // namespace nagare::NAGARE_ISA
