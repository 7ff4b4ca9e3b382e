// What vector extensions lack: lane-wise square root, rounding, halves, and bit casts.
#pragma once

#include "simd.h"

#if defined(__x86_64__)
// GCC 12 warns of its own header's deliberately undefined vectors.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
#define NAGARE_FMA 1
#else
#define NAGARE_FMA 0
#endif

namespace nagare::NAGARE_ISA {

using F32 = Vec<float>;
using F64 = Vec<double>;
using I32 = Vec<int32_t>;
using I64 = Vec<int64_t>;
using U32 = Vec<uint32_t>;
using U64 = Vec<uint64_t>;

// The signed integer of so many bytes.
template <size_t bytes>
struct IntegerOf;
template <>
struct IntegerOf<4> {
  using type = int32_t;
};
template <>
struct IntegerOf<8> {
  using type = int64_t;
};

NAGARE_INLINE I32 bits(F32 v) { return reinterpret_cast<I32>(v); }
NAGARE_INLINE I64 bits(F64 v) { return reinterpret_cast<I64>(v); }
NAGARE_INLINE F32 from_bits(I32 v) { return reinterpret_cast<F32>(v); }
NAGARE_INLINE F64 from_bits(I64 v) { return reinterpret_cast<F64>(v); }

// a·b + c in one rounding, which error-free products need: the compiler contracts a·b + c only where it sees fit.
#if defined(__AVX512F__)
NAGARE_INLINE F64 fused(F64 a, F64 b, F64 c) { return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
NAGARE_INLINE F32 fused(F32 a, F32 b, F32 c) { return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined(__AVX2__) && NAGARE_FMA
NAGARE_INLINE F64 fused(F64 a, F64 b, F64 c) { return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
NAGARE_INLINE F32 fused(F32 a, F32 b, F32 c) { return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#elif defined(__aarch64__)
NAGARE_INLINE F64 fused(F64 a, F64 b, F64 c) { return (F64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
NAGARE_INLINE F32 fused(F32 a, F32 b, F32 c) { return (F32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#endif

NAGARE_INLINE F32 abs(F32 v) { return from_bits(bits(v) & 0x7fffffff); }
NAGARE_INLINE F64 abs(F64 v) { return from_bits(bits(v) & 0x7fffffffffffffff); }
NAGARE_INLINE F32 copy_sign(F32 magnitude, F32 sign) {
  return from_bits((bits(magnitude) & 0x7fffffff) | (bits(sign) & static_cast<int32_t>(0x80000000)));
}
NAGARE_INLINE F64 copy_sign(F64 magnitude, F64 sign) {
  return from_bits((bits(magnitude) & 0x7fffffffffffffff) | (bits(sign) & static_cast<int64_t>(0x8000000000000000)));
}

// a < b ? a : b and a > b ? a : b, lane by lane: b where either is NaN.
#if defined(__AVX512F__)
NAGARE_INLINE F32 lesser(F32 a, F32 b) { return (F32)_mm512_min_ps((__m512)a, (__m512)b); }
NAGARE_INLINE F32 greater(F32 a, F32 b) { return (F32)_mm512_max_ps((__m512)a, (__m512)b); }
NAGARE_INLINE F64 greater(F64 a, F64 b) { return (F64)_mm512_max_pd((__m512d)a, (__m512d)b); }
#elif defined(__AVX2__)
NAGARE_INLINE F32 lesser(F32 a, F32 b) { return (F32)_mm256_min_ps((__m256)a, (__m256)b); }
NAGARE_INLINE F32 greater(F32 a, F32 b) { return (F32)_mm256_max_ps((__m256)a, (__m256)b); }
NAGARE_INLINE F64 greater(F64 a, F64 b) { return (F64)_mm256_max_pd((__m256d)a, (__m256d)b); }
#elif defined(__SSE4_1__)
NAGARE_INLINE F32 lesser(F32 a, F32 b) { return (F32)_mm_min_ps((__m128)a, (__m128)b); }
NAGARE_INLINE F32 greater(F32 a, F32 b) { return (F32)_mm_max_ps((__m128)a, (__m128)b); }
NAGARE_INLINE F64 greater(F64 a, F64 b) { return (F64)_mm_max_pd((__m128d)a, (__m128d)b); }
#else
NAGARE_INLINE F32 lesser(F32 a, F32 b) { return a < b ? a : b; }
NAGARE_INLINE F32 greater(F32 a, F32 b) { return a > b ? a : b; }
NAGARE_INLINE F64 greater(F64 a, F64 b) { return a > b ? a : b; }
#endif

// Whether any lane of a comparison's result holds.
#if defined(__AVX512F__)
NAGARE_INLINE bool any(I32 mask) { return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0; }
#elif defined(__AVX2__)
NAGARE_INLINE bool any(I32 mask) { return _mm256_movemask_ps((__m256)mask) != 0; }
#elif defined(__SSE4_1__)
NAGARE_INLINE bool any(I32 mask) { return _mm_movemask_ps((__m128)mask) != 0; }
#elif defined(__aarch64__)
NAGARE_INLINE bool any(I32 mask) { return vmaxvq_u32((uint32x4_t)mask) != 0; }
#else
NAGARE_INLINE bool any(I32 mask) {
  int32_t all = 0;
  for (int i = 0; i < kLanes<int32_t>; i++) all |= mask[i];
  return all != 0;
}
#endif

// c[0] + x·(c[1] + x·(…)): Horner, from the highest coefficient.
template <int N, typename V, typename T>
NAGARE_INLINE V polynomial(V x, const T (&c)[N]) {
  V sum = x * c[N - 1] + c[N - 2];
#pragma GCC unroll 32
  for (int i = N - 3; i >= 0; i--) sum = sum * x + c[i];
  return sum;
}

#if defined(__AVX512F__)
NAGARE_INLINE F32 sqrt(F32 v) { return (F32)_mm512_sqrt_ps((__m512)v); }
NAGARE_INLINE F64 sqrt(F64 v) { return (F64)_mm512_sqrt_pd((__m512d)v); }
NAGARE_INLINE F32 floor(F32 v) { return (F32)_mm512_roundscale_ps((__m512)v, 1 | 8); }
NAGARE_INLINE F64 floor(F64 v) { return (F64)_mm512_roundscale_pd((__m512d)v, 1 | 8); }
NAGARE_INLINE F32 ceil(F32 v) { return (F32)_mm512_roundscale_ps((__m512)v, 2 | 8); }
NAGARE_INLINE F64 ceil(F64 v) { return (F64)_mm512_roundscale_pd((__m512d)v, 2 | 8); }
NAGARE_INLINE F32 round(F32 v) { return (F32)_mm512_roundscale_ps((__m512)v, 0 | 8); }
NAGARE_INLINE F64 round(F64 v) { return (F64)_mm512_roundscale_pd((__m512d)v, 0 | 8); }
NAGARE_INLINE F32 trunc(F32 v) { return (F32)_mm512_roundscale_ps((__m512)v, 3 | 8); }
NAGARE_INLINE F64 trunc(F64 v) { return (F64)_mm512_roundscale_pd((__m512d)v, 3 | 8); }
#elif defined(__AVX2__)
NAGARE_INLINE F32 sqrt(F32 v) { return (F32)_mm256_sqrt_ps((__m256)v); }
NAGARE_INLINE F64 sqrt(F64 v) { return (F64)_mm256_sqrt_pd((__m256d)v); }
NAGARE_INLINE F32 floor(F32 v) { return (F32)_mm256_round_ps((__m256)v, 1 | 8); }
NAGARE_INLINE F64 floor(F64 v) { return (F64)_mm256_round_pd((__m256d)v, 1 | 8); }
NAGARE_INLINE F32 ceil(F32 v) { return (F32)_mm256_round_ps((__m256)v, 2 | 8); }
NAGARE_INLINE F64 ceil(F64 v) { return (F64)_mm256_round_pd((__m256d)v, 2 | 8); }
NAGARE_INLINE F32 round(F32 v) { return (F32)_mm256_round_ps((__m256)v, 0 | 8); }
NAGARE_INLINE F64 round(F64 v) { return (F64)_mm256_round_pd((__m256d)v, 0 | 8); }
NAGARE_INLINE F32 trunc(F32 v) { return (F32)_mm256_round_ps((__m256)v, 3 | 8); }
NAGARE_INLINE F64 trunc(F64 v) { return (F64)_mm256_round_pd((__m256d)v, 3 | 8); }
#elif defined(__SSE4_1__)
NAGARE_INLINE F32 sqrt(F32 v) { return (F32)_mm_sqrt_ps((__m128)v); }
NAGARE_INLINE F64 sqrt(F64 v) { return (F64)_mm_sqrt_pd((__m128d)v); }
NAGARE_INLINE F32 floor(F32 v) { return (F32)_mm_round_ps((__m128)v, 1 | 8); }
NAGARE_INLINE F64 floor(F64 v) { return (F64)_mm_round_pd((__m128d)v, 1 | 8); }
NAGARE_INLINE F32 ceil(F32 v) { return (F32)_mm_round_ps((__m128)v, 2 | 8); }
NAGARE_INLINE F64 ceil(F64 v) { return (F64)_mm_round_pd((__m128d)v, 2 | 8); }
NAGARE_INLINE F32 round(F32 v) { return (F32)_mm_round_ps((__m128)v, 0 | 8); }
NAGARE_INLINE F64 round(F64 v) { return (F64)_mm_round_pd((__m128d)v, 0 | 8); }
NAGARE_INLINE F32 trunc(F32 v) { return (F32)_mm_round_ps((__m128)v, 3 | 8); }
NAGARE_INLINE F64 trunc(F64 v) { return (F64)_mm_round_pd((__m128d)v, 3 | 8); }
#elif defined(__aarch64__)
NAGARE_INLINE F32 sqrt(F32 v) { return (F32)vsqrtq_f32((float32x4_t)v); }
NAGARE_INLINE F64 sqrt(F64 v) { return (F64)vsqrtq_f64((float64x2_t)v); }
NAGARE_INLINE F32 floor(F32 v) { return (F32)vrndmq_f32((float32x4_t)v); }
NAGARE_INLINE F64 floor(F64 v) { return (F64)vrndmq_f64((float64x2_t)v); }
NAGARE_INLINE F32 ceil(F32 v) { return (F32)vrndpq_f32((float32x4_t)v); }
NAGARE_INLINE F64 ceil(F64 v) { return (F64)vrndpq_f64((float64x2_t)v); }
NAGARE_INLINE F32 round(F32 v) { return (F32)vrndnq_f32((float32x4_t)v); }
NAGARE_INLINE F64 round(F64 v) { return (F64)vrndnq_f64((float64x2_t)v); }
NAGARE_INLINE F32 trunc(F32 v) { return (F32)vrndq_f32((float32x4_t)v); }
NAGARE_INLINE F64 trunc(F64 v) { return (F64)vrndq_f64((float64x2_t)v); }
#else
// Lane by lane: the builtins become instructions where there are any.
#define NAGARE_LANEWISE(name, builtin32, builtin64)                          \
  NAGARE_INLINE F32 name(F32 v) {                                            \
    for (int i = 0; i < kLanes<float>; i++) v[i] = builtin32(v[i]);          \
    return v;                                                                \
  }                                                                          \
  NAGARE_INLINE F64 name(F64 v) {                                            \
    for (int i = 0; i < kLanes<double>; i++) v[i] = builtin64(v[i]);         \
    return v;                                                                \
  }
NAGARE_LANEWISE(sqrt, __builtin_sqrtf, __builtin_sqrt)
NAGARE_LANEWISE(floor, __builtin_floorf, __builtin_floor)
NAGARE_LANEWISE(ceil, __builtin_ceilf, __builtin_ceil)
NAGARE_LANEWISE(round, __builtin_rintf, __builtin_rint)
NAGARE_LANEWISE(trunc, __builtin_truncf, __builtin_trunc)
#undef NAGARE_LANEWISE
#endif

// Lanes 0 to count − 1, as a mask of elements of T.
template <typename T, int N>
NAGARE_INLINE auto lanes_before(int64_t count) {
  using Integer = typename IntegerOf<sizeof(T)>::type;
  typename VectorOf<Integer, N>::type number;
#pragma GCC unroll 16
  for (int i = 0; i < N; i++) number[i] = i;
  return number < static_cast<Integer>(count);
}

// The first `count` elements, at most N: loaded with zero in the other lanes, and stored. Vectors of fewer bytes than a register
// are those of int32 beside float64.
template <typename T, int N>
NAGARE_INLINE typename VectorOf<T, N>::type load_part(const T* p, int64_t count) {
#if defined(__AVX2__)
  using V = typename VectorOf<T, N>::type;
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) {
    const unsigned mask = (1u << count) - 1;
    if constexpr (sizeof(T) == 4) return (V)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), p);
    else return (V)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), p);
  }
#endif
  // Put together from elements in memory, the vector would have to wait for all of their stores.
  if constexpr (sizeof(V) == 32) {
    const __m256i mask = (__m256i)lanes_before<T, N>(count);
    if constexpr (sizeof(T) == 4) return (V)_mm256_maskload_epi32(reinterpret_cast<const int*>(p), mask);
    else return (V)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), mask);
  }
#endif
  T elements[N] = {};
  for (int64_t i = 0; i < count; i++) elements[i] = p[i];
  return load<T, N>(elements);
}
template <typename T, int N>
NAGARE_INLINE void store_part(T* p, typename VectorOf<T, N>::type v, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(v) == 64) {
    const unsigned mask = (1u << count) - 1;
    if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(mask), (__m512i)v);
    else return _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(mask), (__m512i)v);
  }
#endif
  // In pieces of powers of two. AVX2's masked stores take dozens of cycles on some processors.
  T elements[N];
  store<T, N>(elements, v);
  int64_t i = 0;
#pragma GCC unroll 8
  for (int piece = N; piece > 0; piece /= 2) {
    if (!(count & piece)) continue;
    __builtin_memcpy(p + i, elements + i, static_cast<size_t>(piece) * sizeof(T));
    i += piece;
  }
}
// A row's vectors; the last may be a part of one, whose other lanes are 0.
template <typename T>
NAGARE_INLINE Vec<T> load_some(const T* p, int64_t count) {
  return count == kLanes<T> ? load(p) : load_part<T, kLanes<T>>(p, count);
}
template <typename T>
NAGARE_INLINE void store_some(T* p, Vec<T> v, int64_t count) {
  if (count == kLanes<T>) store(p, v);
  else store_part<T, kLanes<T>>(p, v, count);
}
// The first `count` lanes of v, others[i] in the rest.
template <typename T>
NAGARE_INLINE Vec<T> first_lanes(Vec<T> v, int64_t count, Vec<T> others) {
  return lanes_before<T, kLanes<T>>(count) ? v : others;
}

// table[index mod 16] in each lane.
#if defined(__AVX512F__)
#define NAGARE_TABLES 1
NAGARE_INLINE F32 look_up(const float (&table)[16], I32 index) { return (F32)_mm512_permutexvar_ps((__m512i)index, (__m512)load(table)); }
NAGARE_INLINE U32 look_up(const uint32_t (&table)[16], I32 index) {
  return (U32)_mm512_permutexvar_epi32((__m512i)index, (__m512i)load(table));
}
#else
#define NAGARE_TABLES 0
#endif

// The lower and the upper half of a vector's lanes, and their concatenation.
template <typename T>
using HalfVec = typename VectorOf<T, kLanes<T> / 2>::type;

template <typename T>
NAGARE_INLINE HalfVec<T> low_half(Vec<T> v) {
  if constexpr (kLanes<T> == 16) return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  else if constexpr (kLanes<T> == 8) return __builtin_shufflevector(v, v, 0, 1, 2, 3);
  else return __builtin_shufflevector(v, v, 0, 1);
}
template <typename T>
NAGARE_INLINE HalfVec<T> high_half(Vec<T> v) {
  if constexpr (kLanes<T> == 16) return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  else if constexpr (kLanes<T> == 8) return __builtin_shufflevector(v, v, 4, 5, 6, 7);
  else return __builtin_shufflevector(v, v, 2, 3);
}
template <typename T>
NAGARE_INLINE Vec<T> join(HalfVec<T> a, HalfVec<T> b) {
  if constexpr (kLanes<T> == 16) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  else if constexpr (kLanes<T> == 8) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  else return __builtin_shufflevector(a, b, 0, 1, 2, 3);
}

// Lane i of the result is lane i ^ d of v.
template <typename T, int d>
NAGARE_INLINE Vec<T> exchange_lanes(Vec<T> v) {
  if constexpr (kLanes<T> == 16) {
    return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d, 8 ^ d, 9 ^ d, 10 ^ d, 11 ^ d, 12 ^ d,
                                   13 ^ d, 14 ^ d, 15 ^ d);
  } else if constexpr (kLanes<T> == 8) {
    return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d);
  } else if constexpr (kLanes<T> == 4) {
    return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d);
  } else {
    return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d);
  }
}

// The lanes in the opposite order.
template <typename T>
NAGARE_INLINE Vec<T> reverse_lanes(Vec<T> v) {
  if constexpr (kLanes<T> == 16) return shuffle<15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0>(v, v);
  else if constexpr (kLanes<T> == 8) return shuffle<7, 6, 5, 4, 3, 2, 1, 0>(v, v);
  else if constexpr (kLanes<T> == 4) return shuffle<3, 2, 1, 0>(v, v);
  else return shuffle<1, 0>(v, v);
}

// Halves of the lanes are combined with halves: ((0 4)(2 6))((1 5)(3 7)) for eight.
template <typename Op, typename T, int distance = kLanes<T> / 2>
NAGARE_INLINE T fold_lanes(Vec<T> v) {
  if constexpr (distance == 0) return v[0];
  else return fold_lanes<Op, T, distance / 2>(Op::apply(v, exchange_lanes<T, distance>(v)));
}

struct Addition {
  template <typename V>
  static NAGARE_INLINE V apply(V a, V b) {
    return a + b;
  }
};
template <typename T>
NAGARE_INLINE T sum_lanes(Vec<T> v) {
  return fold_lanes<Addition, T>(v);
}

}  // namespace nagare::NAGARE_ISA
