// How narrow elements are multiplied. They are packed into words of 32 bits: a step of a panel has one word for each of its rows, or
// columns, with as many elements of the depth as one instruction multiplies and sums.
#pragma once

#include "gemm_tile.h"
#include "half.h"

namespace nagare::NAGARE_ISA {

using Word = uint32_t;

// Halves as they are stored.
struct Float16 {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};

// What follows describes a kind of product:
//   Element, Packed, Sum   as stored, as packed, and what sums are kept in (unsigned where they wrap)
//   group                  elements of the depth in a word
//   pack                   an element as packed
//   multiply_add           sums + the products of a word of A, repeated, and words of B

NAGARE_INLINE float pack_half(Bfloat16 x) { return from_bfloat16(x.bits); }
NAGARE_INLINE float pack_half(Float16 x) { return from_float16(x.bits); }

template <typename Half>
struct HalfDot {
  using Element = Half;
  using Packed = float;
  using Sum = float;
  static constexpr int group = 1;
  static NAGARE_INLINE float pack(Half x) { return pack_half(x); }
  static NAGARE_INLINE F32 multiply_add(F32 sum, U32 a, U32 b) { return sum + (F32)a * (F32)b; }
};

#if defined(__SSE4_1__)
// Pairs of int16, whose products one instruction adds in int32: no sum of two products of bytes overflows.
template <typename Byte>
struct ByteDot {
  using Element = Byte;
  using Packed = int16_t;
  using Sum = uint32_t;
  static constexpr int group = 2;
  static NAGARE_INLINE int16_t pack(Byte x) { return x; }
  static NAGARE_INLINE U32 multiply_add(U32 sum, U32 a, U32 b) {
#if defined(__AVX512BW__)
    return sum + (U32)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (U32)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return sum + (U32)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
  }
};
#else
template <typename Byte>
struct ByteDot {
  using Element = Byte;
  using Packed = int32_t;
  using Sum = uint32_t;
  static constexpr int group = 1;
  static NAGARE_INLINE int32_t pack(Byte x) { return x; }
  static NAGARE_INLINE U32 multiply_add(U32 sum, U32 a, U32 b) { return sum + a * b; }
};
#endif

}  // namespace nagare::NAGARE_ISA
