// The loops of the tile interpreter: an operation over all elements of a tile, for every place a scalar may stand.
#pragma once

#include "elementwise.h"
#include "lanes.h"
#include "several.h"

namespace nagare::NAGARE_ISA {

// body(i) for whole vectors of N elements, several at a time where the operation is so small that the loop's own instructions count.
// Returns where the rest starts.
template <int N, bool cheap, typename Body>
NAGARE_INLINE int64_t for_whole_vectors(int64_t n, const Body& body) {
  int64_t i = 0;
  if constexpr (cheap) {
    for (; i + 4 * N <= n; i += 4 * N) {
      body(i);
      body(i + N);
      body(i + 2 * N);
      body(i + 3 * N);
    }
  }
  for (; i + N <= n; i += N) body(i);
  return i;
}

template <typename Op, typename T>
void unary_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  using R = typename Op::template Result<T>;
  constexpr int N = kLanes<T>;
  R* y = static_cast<R*>(d);
  const T* x = static_cast<const T*>(a);
  int64_t i = 0;
  if constexpr (Op::paired && sizeof(T) == 4) {
    for (; i + 2 * N <= n; i += 2 * N) {
      const Several<T, 2> pair = Op::template apply<T>(Several<T, 2>{{load<T, N>(x + i), load<T, N>(x + i + N)}});
      store<R, N>(y + i, pair.v[0]);
      store<R, N>(y + i + N, pair.v[1]);
    }
  }
  i += for_whole_vectors<N, Op::cheap>(n - i, [&](int64_t at) __attribute__((always_inline)) {
    store<R, N>(y + i + at, Op::template apply<T>(load<T, N>(x + i + at)));
  });
  if (i < n) store_part<R, N>(y + i, Op::template apply<T>(load_part<T, N>(x + i, n - i)), n - i);
}

// An operand that is a vector of the tile, or one element for all of it.
template <typename T, int N, bool scalar>
struct Operand {
  const T* p;
  typename VectorOf<T, N>::type value;
  NAGARE_INLINE explicit Operand(const void* at) : p(static_cast<const T*>(at)), value{} {
    if constexpr (scalar) value = splat<T, N>(*p);
  }
  NAGARE_INLINE typename VectorOf<T, N>::type at(int64_t i) const {
    if constexpr (scalar) return value;
    else return load<T, N>(p + i);
  }
  NAGARE_INLINE typename VectorOf<T, N>::type part(int64_t i, int64_t count) const {
    if constexpr (scalar) return value;
    else return load_part<T, N>(p + i, count);
  }
};

template <typename Op, typename T, bool scalarA, bool scalarB>
void binary_tile(void* d, const void* a, const void* b, const void*, int64_t n) {
  using R = typename Op::template Result<T>;
  constexpr int N = kLanes<T>;
  R* y = static_cast<R*>(d);
  const Operand<T, N, scalarA> p(a);
  const Operand<T, N, scalarB> q(b);
  const int64_t i = for_whole_vectors<N, Op::cheap>(n, [&](int64_t at) __attribute__((always_inline)) {
    store<R, N>(y + at, Op::template apply<T>(p.at(at), q.at(at)));
  });
  if (i < n) store_part<R, N>(y + i, Op::template apply<T>(p.part(i, n - i), q.part(i, n - i)), n - i);
}

template <typename T, bool scalarA, bool scalarB, bool scalarC>
void select_tile(void* d, const void* condition, const void* a, const void* b, int64_t n) {
  constexpr int N = kLanes<T>;
  using Mask = decltype(Vec<T>{} == Vec<T>{});
  T* y = static_cast<T*>(d);
  const Operand<int32_t, N, scalarA> c(condition);
  const Operand<T, N, scalarB> p(a);
  const Operand<T, N, scalarC> q(b);
  const int64_t i = for_whole_vectors<N, true>(n, [&](int64_t at) __attribute__((always_inline)) {
    store<T, N>(y + at, __builtin_convertvector(c.at(at), Mask) != 0 ? p.at(at) : q.at(at));
  });
  if (i < n) {
    const Mask mask = __builtin_convertvector(c.part(i, n - i), Mask) != 0;
    store_part<T, N>(y + i, mask ? p.part(i, n - i) : q.part(i, n - i), n - i);
  }
}

template <typename T, ProductThen kind, bool scalarB, bool scalarC>
void product_then_tile(void* d, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int N = kLanes<T>;
  auto apply = [](Vec<T> x, Vec<T> y, Vec<T> z) __attribute__((always_inline)) {
    if constexpr (kind == ProductThen::plus) return x * y + z;
    else if constexpr (kind == ProductThen::minus) return x * y - z;
    else if constexpr (kind == ProductThen::from) return z - x * y;
    else return x * y * z;
  };
  T* to = static_cast<T*>(d);
  const Operand<T, N, false> x(a);
  const Operand<T, N, scalarB> y(b);
  const Operand<T, N, scalarC> z(c);
  const int64_t i = for_whole_vectors<N, true>(n, [&](int64_t at) __attribute__((always_inline)) {
    store<T, N>(to + at, apply(x.at(at), y.at(at), z.at(at)));
  });
  if (i < n) store_part<T, N>(to + i, apply(x.part(i, n - i), y.part(i, n - i), z.part(i, n - i)), n - i);
}

}  // namespace nagare::NAGARE_ISA
