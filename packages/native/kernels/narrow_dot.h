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
//   zero                   a word of zeros of A; where it is not 0, words of A are those packed ^ zero, and a product is what
//                          multiply_add gives less what it gives for `zero`
//   multiply_add           sums + the products of a word of A, repeated, and words of B

NAGARE_INLINE float pack_half(Bfloat16 x) { return from_bfloat16(x.bits); }
NAGARE_INLINE float pack_half(Float16 x) { return from_float16(x.bits); }

template <typename Half>
struct HalfDot {
  using Element = Half;
  using Packed = float;
  using Sum = float;
  static constexpr int group = 1;
  static constexpr Word zero = 0;
  static NAGARE_INLINE float pack(Half x) { return pack_half(x); }
  static NAGARE_INLINE F32 multiply_add(F32 sum, U32 a, U32 b) { return sum + (F32)a * (F32)b; }
};

#if defined(__AVX512BF16__)
// Pairs, whose exact products one instruction adds: twice the products of a multiply-add of floats. It takes subnormal factors and sums for
// 0 and rounds each of its two additions to nearest even, the second element of a pair before the first. What is lost is below 2⁻¹²⁶;
// otherwise a sum differs from one of floats in its order alone.
template <>
struct HalfDot<Bfloat16> {
  using Element = Bfloat16;
  using Packed = uint16_t;
  using Sum = float;
  static constexpr int group = 2;
  static constexpr Word zero = 0;
  static NAGARE_INLINE uint16_t pack(Bfloat16 x) { return x.bits; }
  static NAGARE_INLINE F32 multiply_add(F32 sum, U32 a, U32 b) { return (F32)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b); }
};
#endif

#if defined(__AVX512VNNI__)
// Four bytes at once, and exact: an instruction multiplies unsigned bytes by signed ones and adds the products, which wraps like any other
// sum. Bytes of A of the same kind as B's change theirs: x ^ 128 as an unsigned byte is the signed x + 128, and as a signed byte the unsigned
// x − 128. What that adds to a sum is the product of B with the zeros of A.
template <typename Byte>
struct ByteDot {
  using Element = Byte;
  using Packed = uint8_t;
  using Sum = uint32_t;
  static constexpr int group = 4;
  static constexpr Word zero = 0x80808080;
  static NAGARE_INLINE uint8_t pack(Byte x) { return static_cast<uint8_t>(x); }
  static NAGARE_INLINE U32 multiply_add(U32 sum, U32 a, U32 b) {
    constexpr bool isSigned = Byte(-1) < Byte(0);
    return (U32)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)(isSigned ? a : b), (__m512i)(isSigned ? b : a));
  }
};
#elif defined(__SSE4_1__)
// Pairs of int16, whose products one instruction adds in int32: no sum of two products of bytes overflows.
template <typename Byte>
struct ByteDot {
  using Element = Byte;
  using Packed = int16_t;
  using Sum = uint32_t;
  static constexpr int group = 2;
  static constexpr Word zero = 0;
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
  static constexpr Word zero = 0;
  static NAGARE_INLINE int32_t pack(Byte x) { return x; }
  static NAGARE_INLINE U32 multiply_add(U32 sum, U32 a, U32 b) { return sum + a * b; }
};
#endif

}  // namespace nagare::NAGARE_ISA
