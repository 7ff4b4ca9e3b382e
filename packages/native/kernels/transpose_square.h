// As many rows of as many elements as a vector has lanes, transposed in registers.
#pragma once

#include "simd.h"

namespace nagare::NAGARE_ISA {

using Pairs = Vec<double>;

// The float type of so many bytes, which is turned in place of the integers.
template <size_t Bytes>
struct FloatOf {
  using type = float;
};
template <>
struct FloatOf<8> {
  using type = double;
};

// In each 16 bytes: the first halves of a and of b, their elements in turns, or the second halves.
NAGARE_INLINE Pairs mix_first(Vec<float> a, Vec<float> b) {
#if defined(__AVX512F__)
  return (Pairs)shuffle<0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29>(a, b);
#elif defined(__AVX2__)
  return (Pairs)shuffle<0, 8, 1, 9, 4, 12, 5, 13>(a, b);
#else
  return (Pairs)shuffle<0, 4, 1, 5>(a, b);
#endif
}
NAGARE_INLINE Pairs mix_second(Vec<float> a, Vec<float> b) {
#if defined(__AVX512F__)
  return (Pairs)shuffle<2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31>(a, b);
#elif defined(__AVX2__)
  return (Pairs)shuffle<2, 10, 3, 11, 6, 14, 7, 15>(a, b);
#else
  return (Pairs)shuffle<2, 6, 3, 7>(a, b);
#endif
}
NAGARE_INLINE Pairs mix_first(Pairs a, Pairs b) {
#if defined(__AVX512F__)
  return shuffle<0, 8, 2, 10, 4, 12, 6, 14>(a, b);
#elif defined(__AVX2__)
  return shuffle<0, 4, 2, 6>(a, b);
#else
  return shuffle<0, 2>(a, b);
#endif
}
NAGARE_INLINE Pairs mix_second(Pairs a, Pairs b) {
#if defined(__AVX512F__)
  return shuffle<1, 9, 3, 11, 5, 13, 7, 15>(a, b);
#elif defined(__AVX2__)
  return shuffle<1, 5, 3, 7>(a, b);
#else
  return shuffle<1, 3>(a, b);
#endif
}

// The transpose of a square of pieces of 16 bytes, one vector for each row.
constexpr int kPieces = kVectorBytes / 16;
NAGARE_INLINE void transpose_pieces([[maybe_unused]] Pairs (&v)[kPieces]) {
#if defined(__AVX512F__)
  const Pairs first01 = shuffle<0, 1, 2, 3, 8, 9, 10, 11>(v[0], v[1]), second01 = shuffle<4, 5, 6, 7, 12, 13, 14, 15>(v[0], v[1]);
  const Pairs first23 = shuffle<0, 1, 2, 3, 8, 9, 10, 11>(v[2], v[3]), second23 = shuffle<4, 5, 6, 7, 12, 13, 14, 15>(v[2], v[3]);
  v[0] = shuffle<0, 1, 4, 5, 8, 9, 12, 13>(first01, first23), v[1] = shuffle<2, 3, 6, 7, 10, 11, 14, 15>(first01, first23);
  v[2] = shuffle<0, 1, 4, 5, 8, 9, 12, 13>(second01, second23), v[3] = shuffle<2, 3, 6, 7, 10, 11, 14, 15>(second01, second23);
#elif defined(__AVX2__)
  const Pairs first = shuffle<0, 1, 4, 5>(v[0], v[1]), second = shuffle<2, 3, 6, 7>(v[0], v[1]);
  v[0] = first, v[1] = second;
#endif
}

// The elements of two pieces of 16 bytes in turns: those of the first halves, and of the second ones.
template <typename T>
using Piece = typename VectorOf<T, 16 / static_cast<int>(sizeof(T))>::type;
NAGARE_INLINE Piece<uint8_t> alternate_first(Piece<uint8_t> a, Piece<uint8_t> b) {
  return shuffle<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
}
NAGARE_INLINE Piece<uint8_t> alternate_second(Piece<uint8_t> a, Piece<uint8_t> b) {
  return shuffle<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b);
}
NAGARE_INLINE Piece<uint16_t> alternate_first(Piece<uint16_t> a, Piece<uint16_t> b) { return shuffle<0, 8, 1, 9, 2, 10, 3, 11>(a, b); }
NAGARE_INLINE Piece<uint16_t> alternate_second(Piece<uint16_t> a, Piece<uint16_t> b) { return shuffle<4, 12, 5, 13, 6, 14, 7, 15>(a, b); }

// y[k·toRow + r] = x[r·fromRow + k] for r, k < 16 / sizeof(T), for elements of 1 or 2 bytes. Row r, of a number in binary, moves its highest
// digit into the elements' numbers in each round, from which it pushes the highest in turn.
template <typename T>
NAGARE_INLINE void transpose_narrow(const T* x, int64_t fromRow, T* y, int64_t toRow) {
  constexpr int n = 16 / static_cast<int>(sizeof(T));
  Piece<T> v[n], next[n];
#pragma GCC unroll 16
  for (int r = 0; r < n; r++) v[r] = load<T, n>(x + r * fromRow);
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
#pragma GCC unroll 8
    for (int r = 0; r < n / 2; r++) {
      next[2 * r] = alternate_first(v[r], v[r + n / 2]);
      next[2 * r + 1] = alternate_second(v[r], v[r + n / 2]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < n; r++) v[r] = next[r];
  }
#pragma GCC unroll 16
  for (int r = 0; r < n; r++) store<T, n>(y + r * toRow, v[r]);
}

// y[k·toRow + r] = x[r·fromRow + k] for r, k < kLanes<T>.
template <typename T>
NAGARE_INLINE void transpose_lanes(const T* x, int64_t fromRow, T* y, int64_t toRow) {
  constexpr int perPiece = 16 / static_cast<int>(sizeof(T));
  // of[k][g] has, in its piece p, element p·perPiece + k of the rows of group g.
  Pairs of[perPiece][kPieces];
#pragma GCC unroll 4
  for (int g = 0; g < kPieces; g++) {
    const T* const rows = x + g * perPiece * fromRow;
    const Vec<T> a = load(rows), b = load(rows + fromRow);
    const Pairs first = mix_first(a, b), second = mix_second(a, b);
    if constexpr (perPiece == 2) {
      of[0][g] = first, of[1][g] = second;
    } else {
      const Vec<T> c = load(rows + 2 * fromRow), d = load(rows + 3 * fromRow);
      const Pairs third = mix_first(c, d), fourth = mix_second(c, d);
      of[0][g] = mix_first(first, third), of[1][g] = mix_second(first, third);
      of[2][g] = mix_first(second, fourth), of[3][g] = mix_second(second, fourth);
    }
  }
#pragma GCC unroll 4
  for (int k = 0; k < perPiece; k++) {
    transpose_pieces(of[k]);
#pragma GCC unroll 4
    for (int p = 0; p < kPieces; p++) store<T>(y + (p * perPiece + k) * toRow, (Vec<T>)of[k][p]);
  }
}

}  // namespace nagare::NAGARE_ISA
