// Tiles of sums in the tile registers of AMX: 32 × 32, in four of the eight, beside two registers of A and two of B.
//
//   for each 16 words of the depth        A's registers lie one behind the other, rows of B's are a panel's
//     load 2 of A and 2 of B                4 KiB
//     multiply each with each               32 · 32 · 16 words: 32768 multiply-adds of bfloat16, 65536 of bytes
//
// Sapphire Rapids does 1024 operations of bfloat16 a cycle and 2048 of bytes, which is a product of registers in 16 cycles, and reads two
// lines a cycle from L1, which is a register in 8: the four loads of a step hide behind its 64 cycles, where with one register of sums a step
// of 16 would wait for 16 of loads. Blocks of memory follow from these numbers; they were not measured, for want of a machine with AMX.
#pragma once

#include "amx.h"
#include "narrow_pack.h"

#if defined(NAGARE_AMX)
namespace nagare::NAGARE_ISA {

struct BfloatMatrixDot : HalfDot<Bfloat16> {
  template <int sums, int a, int b>
  static NAGARE_INLINE void multiply() {
    multiply_bfloat16<sums, a, b>();
  }
};

// There is an instruction for each kind of bytes: nothing is shifted, and nothing to be subtracted.
template <typename Byte>
struct ByteMatrixDot : ByteDot<Byte> {
  static constexpr Word zero = 0;
  template <int sums, int a, int b>
  static NAGARE_INLINE void multiply() {
    if constexpr (Byte(-1) < Byte(0)) multiply_int8<sums, a, b>();
    else multiply_uint8<sums, a, b>();
  }
};

template <typename Dot>
class MatrixTiles {
  using Element = typename Dot::Element;
  // Rows of a register, and words of a row.
  static constexpr int64_t side = 16;
  // Elements of the depth in a row of A.
  static constexpr int64_t run = side * Dot::group;
  static_assert(kLanes<Word> == side && sizeof(Element) == sizeof(typename Dot::Packed) && Dot::zero == 0);

 public:
  using Sum = typename Dot::Sum;
  static constexpr int64_t rows = 2 * side, columns = 2 * side;
  // What a tile is computed from at a time, 16 KiB of A and of B, stays in L1 beside its sums.
  static constexpr int64_t rowStep = side, wordStep = side, depth = 128;

  // Registers are as high as the rows ask for: what is done with one is done with all of its rows.
  explicit MatrixTiles(int64_t count) : upper_(min64(side, count)), lower_(min64(side, count - upper_)) {
    TileShapes shapes;
    const int64_t heights[8] = {upper_, upper_, lower_, lower_, upper_, lower_, side, side};
    for (int i = 0; i < 8; i++) {
      shapes.rows[i] = static_cast<uint8_t>(heights[i]);
      shapes.rowBytes[i] = heights[i] > 0 ? 64 : 0;
    }
    configure_tiles(shapes);
  }
  ~MatrixTiles() { release_tiles(); }
  MatrixTiles(const MatrixTiles&) = delete;
  MatrixTiles& operator=(const MatrixTiles&) = delete;

  static int next_rows(int64_t left) { return static_cast<int>(min64(left, rows)); }
  static int64_t panel_width(int64_t count) { return round_up(count, side); }

  // For every run of the depth the registers of A, one behind the other, in which absent rows and words are 0.
  static void pack_rows(const Element* x, int64_t ld, bool alongDepth, int64_t count, int64_t depth, Word* panel) {
    const int64_t registers = divide_up(count, side);
    if (alongDepth) {
      for (int64_t i = 0; i < count; i += side) {
        Word* to = panel + i * side;
        for (int64_t k = 0; k < depth; k += run, to += registers * side * side)
          pack_runs(x + i * ld + k, ld, min64(side, count - i), min64(run, depth - k), to);
      }
      return;
    }
    for (int64_t k = 0; k < depth; k += run, panel += registers * side * side) {
      alignas(64) Word words[side * rows];
      pack_panel<Dot>(x + k * ld, ld, false, count, min64(run, depth - k), side, words, rows);
      for (int64_t i = 0; i < registers; i++)
        transpose_lanes(reinterpret_cast<const float*>(words + i * side), rows, reinterpret_cast<float*>(panel + i * side * side), side);
    }
  }

  void multiply(const Word* a, int64_t count, const Word* b, int64_t width, int64_t words, const TileOutput<Sum>& out) const {
    if (count > side) {
      if (width > side) return tile<2, 2>(a, count, b, words, out);
      return tile<2, 1>(a, count, b, words, out);
    }
    if (width > side) return tile<1, 2>(a, count, b, words, out);
    tile<1, 1>(a, count, b, words, out);
  }

 private:
  // The registers: of sums those of the upper rows before the lower ones, from the left; of A from the top; of B from the left.
  static constexpr int kSums = 0, kA = 4, kB = 6;
  template <int number>
  struct Register {
    static constexpr int index = number;
  };

  int64_t upper_, lower_;

  // One register.
  static NAGARE_INLINE void pack_runs(const Element* x, int64_t ld, int64_t height, int64_t length, Word* to) {
    const bool whole = length == run;
    for (int64_t r = 0; r < height; r++, to += side) {
      if (whole) {
        __builtin_memcpy(to, x + r * ld, sizeof(Word) * side);
      } else {
        pack_run<Dot>(x + r * ld, length, to);
        for (int64_t word = words_of<Dot>(length); word < side; word++) to[word] = 0;
      }
    }
    for (int64_t i = 0; i < (side - height) * side; i++) to[i] = 0;
  }

  // body(register, first row, first column) for the registers of R × V sums.
  template <int R, int V, typename Body>
  static NAGARE_INLINE void for_sums(const Body& body) {
    body(Register<kSums>{}, 0, 0);
    if constexpr (V == 2) body(Register<kSums + 1>{}, 0, side);
    if constexpr (R == 2) body(Register<kSums + 2>{}, side, 0);
    if constexpr (R == 2 && V == 2) body(Register<kSums + 3>{}, side, side);
  }

  // R × V registers of sums.
  template <int R, int V>
  NAGARE_NOINLINE void tile(const Word* a, int64_t count, const Word* b, int64_t words, const TileOutput<Sum>& out) const {
    constexpr int64_t bytes = sizeof(Sum), rowBytes = V * side * bytes;
    Sum* const c = out.c;
    const int64_t ldc = out.stride;
    // The tile of C arrives while the sum runs.
    for (int64_t r = 0; r < count; r++)
      for (int64_t n = 0; n < out.columns; n += side) __builtin_prefetch(c + r * ldc + n, 1);
    // Registers that C fills are loaded from it and stored to it.
    const bool isWhole = out.columns == V * side && count == (R == 2 ? upper_ + lower_ : upper_);
    if (isWhole && out.accumulate) {
      for_sums<R, V>([&](auto sums, int64_t m, int64_t n) { load_tile<sums.index>(c + m * ldc + n, ldc * bytes); });
    } else {
      for_sums<R, V>([](auto sums, int64_t, int64_t) { zero_tile<sums.index>(); });
    }
    for (int64_t word = 0; word < words; word += side, a += R * side * side, b += side * V * side) {
      // Each load stands before the first product that waits for it.
      load_tile<kA>(a, side * bytes);
      load_tile<kB>(b, rowBytes);
      Dot::template multiply<kSums, kA, kB>();
      if constexpr (V == 2) {
        load_tile<kB + 1>(b + side, rowBytes);
        Dot::template multiply<kSums + 1, kA, kB + 1>();
      }
      if constexpr (R == 2) {
        load_tile<kA + 1>(a + side * side, side * bytes);
        Dot::template multiply<kSums + 2, kA + 1, kB>();
      }
      if constexpr (R == 2 && V == 2) Dot::template multiply<kSums + 3, kA + 1, kB + 1>();
    }
    if (isWhole && !out.bias && out.activation == Activation::none) {
      for_sums<R, V>([&](auto sums, int64_t m, int64_t n) { store_tile<sums.index>(c + m * ldc + n, ldc * bytes); });
      return;
    }
    alignas(64) Sum values[R * side * V * side];
    for_sums<R, V>([&](auto sums, int64_t m, int64_t n) { store_tile<sums.index>(values + m * V * side + n, rowBytes); });
    TileOutput<Sum> rest = out;
    rest.accumulate = out.accumulate && !isWhole;
    int64_t r = 0;
    for (; r + 4 <= count; r += 4) finish_rows<4, V>(values + r * V * side, c + r * ldc, ldc, rest);
    for (; r < count; r++) finish_rows<1, V>(values + r * V * side, c + r * ldc, ldc, rest);
  }

  template <int Rows, int V>
  static NAGARE_INLINE void finish_rows(const Sum* values, Sum* c, int64_t ldc, const TileOutput<Sum>& out) {
    Vec<Sum> sums[Rows][V];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; r++) {
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) sums[r][v] = load(values + (r * V + v) * side);
    }
    finish_tile<Sum, Rows, V>(sums, [&](int r) { return c + r * ldc; }, out);
  }
};

}  // namespace nagare::NAGARE_ISA
#endif
