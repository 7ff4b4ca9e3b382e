// The part of a vector that is left at the end of a row.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

#if defined(__AVX512F__)
// The first `count` of N lanes.
template <int N>
NAGARE_INLINE uint32_t first_lanes(int64_t count) {
  return (uint32_t(1) << count) - 1;
}
// Whether the processor leaves lanes of such a vector out by itself.
template <typename T, int N>
constexpr bool kMasksLanes = N == kLanes<T> && (sizeof(T) == 4 || sizeof(T) == 8);
#else
template <typename T, int N>
constexpr bool kMasksLanes = false;
#endif

// The first `count` elements, fewer than N, and zeros.
template <typename T, int N>
NAGARE_INLINE typename VectorOf<T, N>::type load_part(const T* p, int64_t count) {
  typedef typename VectorOf<T, N>::type Vector;
#if defined(__AVX512F__)
  if constexpr (kMasksLanes<T, N>) {
    const uint32_t mask = first_lanes<N>(count);
    if constexpr (sizeof(T) == 4) return (Vector)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), p);
    else return (Vector)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), p);
  }
#endif
  Vector v{};
  for (int64_t i = 0; i < count; i++) v[i] = p[i];
  return v;
}

template <typename T, int N>
NAGARE_INLINE void store_part(T* p, typename VectorOf<T, N>::type v, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (kMasksLanes<T, N>) {
    const uint32_t mask = first_lanes<N>(count);
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(mask), (__m512i)v);
    else _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(mask), (__m512i)v);
    return;
  }
#endif
  for (int64_t i = 0; i < count; i++) p[i] = v[i];
}

}  // namespace nagare::NAGARE_ISA
