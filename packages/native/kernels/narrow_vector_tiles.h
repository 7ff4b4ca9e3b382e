// Tiles of sums in vector registers, and how rows are packed for them. Other kinds of tiles have the same members.
#pragma once

#include "narrow_pack.h"

namespace nagare::NAGARE_ISA {

// A sum of pairs needs a register for the products, so that only floats have wide tiles.
template <typename Dot>
struct VectorTiles {
  using Sum = typename Dot::Sum;
  static constexpr int64_t rows = kHasWideTile<Sum> ? kWideTileRows : kTileRows;
  static constexpr int64_t vectors = kHasWideTile<Sum> ? kWideTileVectors : kTileVectors;
  static constexpr int64_t columns = vectors * kLanes<Sum>;
  // Packed rows are a multiple of this, packed words of the depth of that; a tile is computed from at most so many words at a time.
  static constexpr int64_t rowStep = 1, wordStep = 1, depth = kNarrowWords;

  // One object exists in a thread while it multiplies so many rows.
  explicit VectorTiles(int64_t) {}

  // Rows of the next tile of those that are left.
  static int next_rows(int64_t left) { return next_tile_rows(left, rows); }
  // Columns of a panel that holds `count` columns: whole vectors.
  static int64_t panel_width(int64_t count) { return round_up(count, kLanes<Sum>); }

  // A panel of the rows of one tile.
  static void pack_rows(const typename Dot::Element* x, int64_t ld, bool alongDepth, int64_t count, int64_t depth, Word* panel) {
    const int64_t words = words_of<Dot>(depth);
    pack_panel<Dot>(x, ld, alongDepth, count, depth, words, panel, count);
    if constexpr (Dot::zero != 0)
      for (int64_t i = 0; i < count * words; i++) panel[i] ^= Dot::zero;
  }

  template <int R, int V>
  static NAGARE_NOINLINE void tile(const Word* a, const Word* b, int64_t words, const TileOutput<Sum>& out) {
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) __builtin_prefetch(out.c + i * out.stride, 1);
    Vec<Sum> sums[R][V] = {}, ofZeros[V] = {};
#pragma GCC unroll 4
    for (int64_t word = 0; word < words; word++, a += R, b += V * kLanes<Word>) {
      U32 column[V];
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) {
        column[j] = load(b + j * kLanes<Word>);
        if constexpr (Dot::zero != 0) ofZeros[j] = Dot::multiply_add(ofZeros[j], splat(Dot::zero), column[j]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < R; i++) {
        const U32 value = splat(a[i]);
#pragma GCC unroll 4
        for (int j = 0; j < V; j++) sums[i][j] = Dot::multiply_add(sums[i][j], value, column[j]);
      }
    }
    if constexpr (Dot::zero != 0) {
#pragma GCC unroll 16
      for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < V; j++) sums[i][j] -= ofZeros[j];
      }
    }
    finish_tile<Sum, R, V>(sums, [&](int i) { return out.c + i * out.stride; }, out);
  }

  using Tile = void (*)(const Word* a, const Word* b, int64_t words, const TileOutput<Sum>& out);

  template <int V>
  static Tile tile_of_width(int64_t count) {
    switch (count) {
      case 1: return tile<1, V>;
      case 2: return tile<2, V>;
      case 3: return tile<3, V>;
      default: break;
    }
    if constexpr (rows > 4) {
      if (count == 5) return tile<5, V>;
      if (count == 6) return tile<6, V>;
    }
    if constexpr (rows > 6) {
      if (count == 7) return tile<7, V>;
      if (count == 8) return tile<8, V>;
    }
    return tile<4, V>;
  }

  // The tile of `count` rows and of a panel's columns, from `words` of both.
  void multiply(const Word* a, int64_t count, const Word* b, int64_t width, int64_t words, const TileOutput<Sum>& out) const {
    const int64_t of = width / kLanes<Sum>;
    if (of == 1) return tile_of_width<1>(count)(a, b, words, out);
    if constexpr (vectors == 3) {
      if (of == 3) return tile_of_width<3>(count)(a, b, words, out);
    }
    tile_of_width<2>(count)(a, b, words, out);
  }
};

}  // namespace nagare::NAGARE_ISA
