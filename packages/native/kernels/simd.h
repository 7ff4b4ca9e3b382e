// Vectors of the instruction set this translation unit is compiled for.
// The build defines NAGARE_ISA (sse4, avx2, avx512, neon, wasm) and the matching compiler flags; sizes below follow the flags,
// so that a kernel is written once and takes the width from here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifndef NAGARE_ISA
#error "NAGARE_ISA must name the instruction set, for example -DNAGARE_ISA=avx2"
#endif

#define NAGARE_INLINE inline __attribute__((always_inline))
#define NAGARE_NOINLINE __attribute__((noinline))

namespace nagare::NAGARE_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// Architectural vector registers: the register blocking of the matrix kernels is chosen from it.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kVectorRegisters = 32;
#else
constexpr int kVectorRegisters = 16;
#endif

// A vector of N lanes of T. Comparisons of two give lanes of 0 or −1 in the signed integer of the same width.
template <typename T, int N>
struct VectorOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
  // Same lanes, any address: loads and stores of tensors need no alignment.
  typedef T unaligned __attribute__((vector_size(N * sizeof(T)), aligned(alignof(T)), may_alias));
};

template <typename T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// The native vector of T: kLanes<T> lanes.
template <typename T>
using Vec = typename VectorOf<T, kLanes<T>>::type;

template <typename T, int N = kLanes<T>>
NAGARE_INLINE typename VectorOf<T, N>::type load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T, N>::unaligned*>(p);
}

template <typename T, int N = kLanes<T>>
NAGARE_INLINE void store(T* p, typename VectorOf<T, N>::type v) {
  *reinterpret_cast<typename VectorOf<T, N>::unaligned*>(p) = v;
}

template <typename T, int N = kLanes<T>>
NAGARE_INLINE typename VectorOf<T, N>::type splat(T value) {
  // value − 0 and not 0 + value: that would lose the sign of −0.
  return value - typename VectorOf<T, N>::type{};
}

// Lanes of a followed by lanes of b, chosen by index.
template <int... I, typename V>
NAGARE_INLINE V shuffle(V a, V b) {
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, I...);
#else
  typedef decltype(a < b) Mask;
  return __builtin_shuffle(a, b, Mask{I...});
#endif
}

// Makes the compiler keep p itself: it derives no other pointers from it instead.
template <typename T>
NAGARE_INLINE void keep_in_register(T*& p) {
  asm("" : "+r"(p));
}

// V vectors of L lanes of consecutive elements.
template <int V, int L>
struct Lanes {
  static constexpr int vectors = V, lanes = L;
};

// Covers [0, count) with body(Lanes<V, L>{}, first): Wide full vectors at a time, then single vectors, then single elements.
template <typename T, int Wide, typename Body>
NAGARE_INLINE void for_lanes(int64_t count, const Body& body) {
  constexpr int lanes = kLanes<T>;
  int64_t i = 0;
  for (; i + Wide * lanes <= count; i += Wide * lanes) body(Lanes<Wide, lanes>{}, i);
  for (; i + lanes <= count; i += lanes) body(Lanes<1, lanes>{}, i);
  for (; i < count; i++) body(Lanes<1, 1>{}, i);
}

// The same for bodies that take any number of lanes: what is left of the last vector is halved instead, down to single elements.
template <typename T, int Wide, int L = kLanes<T>, typename Body>
NAGARE_INLINE void for_halved_lanes(int64_t count, const Body& body, int64_t i = 0) {
  if constexpr (Wide > 1) {
    for (; i + Wide * L <= count; i += Wide * L) body(Lanes<Wide, L>{}, i);
  }
  for (; i + L <= count; i += L) body(Lanes<1, L>{}, i);
  if constexpr (L > 1) for_halved_lanes<T, 1, L / 2>(count, body, i);
}

}  // namespace nagare::NAGARE_ISA
