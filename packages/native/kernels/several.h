// Several vectors that take one way through a function together. A polynomial is a chain of operations that wait for each other, and a
// processor looks ahead only so far: with the operations of two vectors side by side there is twice as much to do while each waits.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

template <typename T, int N>
struct Several {
  Vec<T> v[N];
};

// f(0), f(1) … f(N − 1) as one value.
template <typename T, int N, typename F>
NAGARE_INLINE Several<T, N> each(const F& f) {
  Several<T, N> y;
#pragma GCC unroll 8
  for (int i = 0; i < N; i++) y.v[i] = f(i);
  return y;
}

template <typename T, int N>
NAGARE_INLINE Several<T, N> load_several(const T* p) {
  return each<T, N>([&](int i) __attribute__((always_inline)) { return load(p + i * kLanes<T>); });
}
template <typename T, int N>
NAGARE_INLINE void store_several(T* p, Several<T, N> a) {
#pragma GCC unroll 8
  for (int i = 0; i < N; i++) store(p + i * kLanes<T>, a.v[i]);
}

#define NAGARE_SEVERAL(op)                                                                                          \
  template <typename T, int N>                                                                                      \
  NAGARE_INLINE Several<T, N> operator op(Several<T, N> a, Several<T, N> b) {                                       \
    return each<T, N>([&](int i) __attribute__((always_inline)) { return a.v[i] op b.v[i]; });                      \
  }                                                                                                                 \
  template <typename T, int N>                                                                                      \
  NAGARE_INLINE Several<T, N> operator op(Several<T, N> a, T b) {                                                   \
    return each<T, N>([&](int i) __attribute__((always_inline)) { return a.v[i] op b; });                           \
  }                                                                                                                 \
  template <typename T, int N>                                                                                      \
  NAGARE_INLINE Several<T, N> operator op(T a, Several<T, N> b) {                                                   \
    return each<T, N>([&](int i) __attribute__((always_inline)) { return a op b.v[i]; });                           \
  }
NAGARE_SEVERAL(+)
NAGARE_SEVERAL(-)
NAGARE_SEVERAL(*)
NAGARE_SEVERAL(/)
NAGARE_SEVERAL(&)
NAGARE_SEVERAL(|)
NAGARE_SEVERAL(^)
NAGARE_SEVERAL(<<)
NAGARE_SEVERAL(>>)
#undef NAGARE_SEVERAL

#define NAGARE_SEVERAL(op)                                                                                          \
  template <int N>                                                                                                  \
  NAGARE_INLINE Several<int32_t, N> operator op(Several<float, N> a, Several<float, N> b) {                         \
    return each<int32_t, N>([&](int i) __attribute__((always_inline)) { return a.v[i] op b.v[i]; });                \
  }                                                                                                                 \
  template <int N>                                                                                                  \
  NAGARE_INLINE Several<int32_t, N> operator op(Several<float, N> a, float b) {                                     \
    return each<int32_t, N>([&](int i) __attribute__((always_inline)) { return a.v[i] op b; });                     \
  }
NAGARE_SEVERAL(<)
NAGARE_SEVERAL(>)
NAGARE_SEVERAL(==)
NAGARE_SEVERAL(!=)
#undef NAGARE_SEVERAL

template <typename T, int N>
NAGARE_INLINE Several<T, N> operator-(Several<T, N> a) {
  return each<T, N>([&](int i) __attribute__((always_inline)) { return -a.v[i]; });
}

template <int N>
NAGARE_INLINE Several<int32_t, N> bits(Several<float, N> a) {
  return each<int32_t, N>([&](int i) __attribute__((always_inline)) { return bits(a.v[i]); });
}
template <int N>
NAGARE_INLINE Several<float, N> from_bits(Several<int32_t, N> a) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return from_bits(a.v[i]); });
}
template <int N>
NAGARE_INLINE Several<float, N> abs(Several<float, N> a) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return abs(a.v[i]); });
}
template <int N>
NAGARE_INLINE Several<float, N> copy_sign(Several<float, N> magnitude, Several<float, N> sign) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return copy_sign(magnitude.v[i], sign.v[i]); });
}
template <int N>
NAGARE_INLINE bool any(Several<int32_t, N> mask) {
  I32 all = mask.v[0];
  for (int i = 1; i < N; i++) all |= mask.v[i];
  return any(all);
}

// What float32 functions are written for: one vector, or several. `Integers` holds the bits of one.
template <typename V>
struct Floats;
template <>
struct Floats<F32> {
  using Integers = I32;
};
template <int N>
struct Floats<Several<float, N>> {
  using Integers = Several<int32_t, N>;
};
template <typename V>
using IntegersOf = typename Floats<V>::Integers;

// The same with a number in the place of one operand: lane by lane, x where either is NaN.
NAGARE_INLINE F32 at_most(float limit, F32 x) { return lesser(splat(limit), x); }
NAGARE_INLINE F32 at_least(float limit, F32 x) { return greater(splat(limit), x); }
template <int N>
NAGARE_INLINE Several<float, N> at_most(float limit, Several<float, N> x) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return at_most(limit, x.v[i]); });
}
template <int N>
NAGARE_INLINE Several<float, N> at_least(float limit, Several<float, N> x) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return at_least(limit, x.v[i]); });
}

// a where the mask holds, b elsewhere.
NAGARE_INLINE F32 choose(I32 mask, F32 a, F32 b) { return mask ? a : b; }
NAGARE_INLINE F32 choose(I32 mask, float a, F32 b) { return mask ? splat(a) : b; }
NAGARE_INLINE I32 choose(I32 mask, int32_t a, I32 b) { return mask ? I32{} + a : b; }
template <typename T, typename A, int N>
NAGARE_INLINE Several<T, N> choose(Several<int32_t, N> mask, A a, Several<T, N> b) {
  return each<T, N>([&](int i) __attribute__((always_inline)) {
    if constexpr (sizeof(A) == sizeof(T)) return choose(mask.v[i], a, b.v[i]);
    else return choose(mask.v[i], a.v[i], b.v[i]);
  });
}

NAGARE_INLINE F32 to_float(I32 v) { return __builtin_convertvector(v, F32); }
NAGARE_INLINE I32 to_integer(F32 v) { return __builtin_convertvector(v, I32); }
template <int N>
NAGARE_INLINE Several<float, N> to_float(Several<int32_t, N> a) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return to_float(a.v[i]); });
}

#if NAGARE_FMA
template <int N>
NAGARE_INLINE Several<float, N> fused(Several<float, N> a, Several<float, N> b, Several<float, N> c) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return fused(a.v[i], b.v[i], c.v[i]); });
}
#endif

#if NAGARE_TABLES
template <int N>
NAGARE_INLINE Several<float, N> look_up(const float (&table)[16], Several<int32_t, N> index) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return look_up(table, index.v[i]); });
}
#endif

// Integers whose overflow wraps.
NAGARE_INLINE I32 wrapping_sum(I32 a, uint32_t b) { return reinterpret_cast<I32>(reinterpret_cast<U32>(a) + b); }
template <int N>
NAGARE_INLINE Several<int32_t, N> wrapping_sum(Several<int32_t, N> a, uint32_t b) {
  return each<int32_t, N>([&](int i) __attribute__((always_inline)) { return wrapping_sum(a.v[i], b); });
}

// f of each vector by itself, for what is rare.
template <int N, typename F>
NAGARE_INLINE Several<float, N> one_by_one(Several<float, N> x, const F& f) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return f(x.v[i]); });
}
template <typename F>
NAGARE_INLINE F32 one_by_one(F32 x, const F& f) {
  return f(x);
}

}  // namespace nagare::NAGARE_ISA
