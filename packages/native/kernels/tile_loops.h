// The loops of the tile interpreter: an operation over all elements of a tile, for every place a scalar may stand.
#pragma once

#include "elementwise.h"
#include "several.h"
#include "stream.h"

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

// How many of n elements lie before the first line of memory that begins at one.
template <typename T>
NAGARE_INLINE int64_t elements_to_line(const T* y, int64_t n) {
  const int64_t lead = bytes_to_line(y) / static_cast<int64_t>(sizeof(T));
  return lead < n ? lead : n;
}

// How many of n elements from a line's beginning on fill lines; all where they may go through the cache, which joins the parts of a line.
template <bool streams, typename T>
NAGARE_INLINE int64_t elements_of_lines(int64_t n) {
  return streams ? n - n % (kLine / static_cast<int64_t>(sizeof(T))) : n;
}

// y[i] = part(i, count) for elements [i, n), a vector or less at a time, through the cache.
template <int N, typename R, typename Part>
NAGARE_INLINE void make_parts(R* y, int64_t i, int64_t n, const Part& part) {
  for (; i < n; i += N) {
    const int64_t count = n - i < N ? n - i : N;
    store_part<R, N>(y + i, part(i, count), count);
  }
}

// Results past the caches begin where a line of memory does; those before it, y[i] = part(i, count), go through the cache. Returns where
// the rest starts.
template <int N, bool streams, typename R, typename Part>
NAGARE_INLINE int64_t make_head(R* y, int64_t n, const Part& part) {
  if constexpr (!streams) return 0;
  const int64_t head = elements_to_line(y, n);
  make_parts<N>(y, 0, head, part);
  return head;
}

// A whole vector, past the caches if `streams`.
template <int N, bool streams, typename R>
NAGARE_INLINE void put(R* p, typename VectorOf<R, N>::type v) {
  if constexpr (streams) stream<R>(p, v);
  else store<R, N>(p, v);
}

// y[i] = whole(i) for vectors of N elements and part(i, count) for what is left of the n.
template <int N, bool cheap, bool streams, typename R, typename Whole, typename Part>
NAGARE_INLINE void make_elements(R* y, int64_t n, const Whole& whole, const Part& part) {
  int64_t i = make_head<N, streams>(y, n, part);
  i += for_whole_vectors<N, cheap>(elements_of_lines<streams, R>(n - i), [&, first = i](int64_t at) __attribute__((always_inline)) {
    put<N, streams>(y + first + at, whole(first + at));
  });
  make_parts<N>(y, i, n, part);
}

// The same for pair(i), two vectors side by side.
template <int N, bool streams, typename R, typename Pair, typename Part>
NAGARE_INLINE void make_pairs(R* y, int64_t n, const Pair& pair, const Part& part) {
  int64_t i = make_head<N, streams>(y, n, part);
  for (const int64_t end = i + elements_of_lines<streams, R>(n - i); i + 2 * N <= end; i += 2 * N) {
    const auto two = pair(i);
    put<N, streams>(y + i, two.v[0]);
    put<N, streams>(y + i + N, two.v[1]);
  }
  make_parts<N>(y, i, n, part);
}

template <typename Op, typename T, bool streams>
void unary_tile(void* d, const void* a, const void*, const void*, int64_t n) {
  using R = typename Op::template Result<T>;
  constexpr int N = kLanes<T>;
  R* const y = static_cast<R*>(d);
  const T* const x = static_cast<const T*>(a);
  const auto part = [&](int64_t i, int64_t count)
                        __attribute__((always_inline)) { return Op::template apply<T>(load_part<T, N>(x + i, count)); };
  if constexpr (Op::paired && sizeof(T) == 4) {
    make_pairs<N, streams>(
        y, n,
        [&](int64_t i) __attribute__((always_inline)) {
          return Op::template apply<T>(Several<T, 2>{{load<T, N>(x + i), load<T, N>(x + i + N)}});
        },
        part);
  } else {
    make_elements<N, Op::cheap, streams>(
        y, n, [&](int64_t i) __attribute__((always_inline)) { return Op::template apply<T>(load<T, N>(x + i)); }, part);
  }
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

template <typename Op, typename T, bool streams, bool scalarA, bool scalarB>
void binary_tile(void* d, const void* a, const void* b, const void*, int64_t n) {
  using R = typename Op::template Result<T>;
  constexpr int N = kLanes<T>;
  const Operand<T, N, scalarA> p(a);
  const Operand<T, N, scalarB> q(b);
  make_elements<N, Op::cheap, streams>(
      static_cast<R*>(d), n, [&](int64_t i) __attribute__((always_inline)) { return Op::template apply<T>(p.at(i), q.at(i)); },
      [&](int64_t i, int64_t count) __attribute__((always_inline)) { return Op::template apply<T>(p.part(i, count), q.part(i, count)); });
}

template <typename T, bool streams, bool scalarA, bool scalarB, bool scalarC>
void select_tile(void* d, const void* condition, const void* a, const void* b, int64_t n) {
  constexpr int N = kLanes<T>;
  using Mask = decltype(Vec<T>{} == Vec<T>{});
  const Operand<int32_t, N, scalarA> c(condition);
  const Operand<T, N, scalarB> p(a);
  const Operand<T, N, scalarC> q(b);
  make_elements<N, true, streams>(
      static_cast<T*>(d), n,
      [&](int64_t i) __attribute__((always_inline)) { return __builtin_convertvector(c.at(i), Mask) != 0 ? p.at(i) : q.at(i); },
      [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const Mask mask = __builtin_convertvector(c.part(i, count), Mask) != 0;
        return mask ? p.part(i, count) : q.part(i, count);
      });
}

template <typename T, ProductThen kind, bool streams, bool scalarB, bool scalarC>
void product_then_tile(void* d, const void* a, const void* b, const void* c, int64_t n) {
  constexpr int N = kLanes<T>;
  auto apply = [](Vec<T> x, Vec<T> y, Vec<T> z) __attribute__((always_inline)) {
    if constexpr (kind == ProductThen::plus) return x * y + z;
    else if constexpr (kind == ProductThen::minus) return x * y - z;
    else if constexpr (kind == ProductThen::from) return z - x * y;
    else return x * y * z;
  };
  const Operand<T, N, false> x(a);
  const Operand<T, N, scalarB> y(b);
  const Operand<T, N, scalarC> z(c);
  make_elements<N, true, streams>(
      static_cast<T*>(d), n, [&](int64_t i) __attribute__((always_inline)) { return apply(x.at(i), y.at(i), z.at(i)); },
      [&](int64_t i, int64_t count) __attribute__((always_inline)) { return apply(x.part(i, count), y.part(i, count), z.part(i, count)); });
}

}  // namespace nagare::NAGARE_ISA
