// Folding rows and columns of numbers: the inner loops of the reductions.
#pragma once

#include "copy_elements.h"
#include "lanes.h"
#include "reduce_source.h"
#include "transpose_square.h"

namespace nagare::NAGARE_ISA {

template <typename T>
constexpr bool kFloating = static_cast<T>(0.5) != 0;

// The combinations, on numbers and on vectors alike. Integers go through unsigned arithmetic, whose overflow wraps.
template <typename T>
struct Unsigned {
  using type = T;
};
template <>
struct Unsigned<int32_t> {
  using type = uint32_t;
};
template <>
struct Unsigned<int64_t> {
  using type = uint64_t;
};
template <typename T>
using UnsignedLanes = Vec<typename Unsigned<T>::type>;

template <typename T>
struct Sum {
  using U = typename Unsigned<T>::type;
  static constexpr T identity = 0;
  static NAGARE_INLINE T apply(T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); }
  static NAGARE_INLINE Vec<T> apply(Vec<T> a, Vec<T> b) {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<UnsignedLanes<T>>(a) + reinterpret_cast<UnsignedLanes<T>>(b));
  }
};
template <typename T>
struct Product {
  using U = typename Unsigned<T>::type;
  static constexpr T identity = 1;
  static NAGARE_INLINE T apply(T a, T b) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); }
  static NAGARE_INLINE Vec<T> apply(Vec<T> a, Vec<T> b) {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<UnsignedLanes<T>>(a) * reinterpret_cast<UnsignedLanes<T>>(b));
  }
};
template <typename T>
constexpr T lowest() {
  if constexpr (kFloating<T>) return -static_cast<T>(__builtin_inf());
  else return static_cast<T>(static_cast<T>(1) << (sizeof(T) * 8 - 2)) * -2;
}
template <typename T>
struct Largest {
  static constexpr T identity = lowest<T>();
  // The better of two numbers; best beside NaN.
  static NAGARE_INLINE Vec<T> ordered(Vec<T> value, Vec<T> best) { return greater(value, best); }
  // In two instructions, where the one for maxima gives b beside a NaN.
  static NAGARE_INLINE Vec<T> apply(Vec<T> a, Vec<T> b) {
    if constexpr (kFloating<T>) return a != a ? a : greater(a, b);
    else return a > b ? a : b;
  }
  template <typename V>
  static NAGARE_INLINE V apply(V a, V b) {
    return ((a > b) | (a != a)) ? a : b;
  }
};
template <typename T>
struct Smallest {
  static constexpr T identity = kFloating<T> ? -lowest<T>() : -(lowest<T>() + 1);
  static NAGARE_INLINE Vec<T> ordered(Vec<T> value, Vec<T> best) {
    if constexpr (sizeof(T) == 4) return lesser(value, best);
    else return value < best ? value : best;
  }
  template <typename V>
  static NAGARE_INLINE V apply(V a, V b) {
    return ((a < b) | (a != a)) ? a : b;
  }
};

// Whether an operation is an extreme of floats.
template <typename Op>
constexpr bool kExtreme = false;
template <typename T>
constexpr bool kExtreme<Largest<T>> = kFloating<T>;
template <typename T>
constexpr bool kExtreme<Smallest<T>> = kFloating<T>;

// Whole vectors of an extreme of floats. NaN are looked for beside it, by the largest magnitude: in the comparison itself, each would wait
// for the one before.
template <typename Op, typename T>
NAGARE_NOINLINE T fold_extreme(const T* x, int64_t n) {
  constexpr int N = kLanes<T>;
  using Magnitude = decltype(bits(Vec<T>{}));
  Vec<T> best[4];
  Magnitude magnitude[4];
  for (int k = 0; k < 4; k++) best[k] = splat<T>(Op::identity), magnitude[k] = Magnitude{};
  const auto take = [&](int k, const T* from) __attribute__((always_inline)) {
    const Vec<T> value = load(from);
    const Magnitude own = bits(abs(value));
    best[k] = Op::ordered(value, best[k]);
    magnitude[k] = own > magnitude[k] ? own : magnitude[k];
  };
  int64_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) take(k, x + i + k * N);
  }
  for (; i < n; i += N) take(0, x + i);
  Magnitude most = magnitude[0];
  for (int k = 1; k < 4; k++) {
    best[0] = Op::ordered(best[k], best[0]);
    most = magnitude[k] > most ? magnitude[k] : most;
  }
  for (int k = 0; k < N; k++) {
    if (most[k] > bits(splat<T>(-lowest<T>()))[0]) return static_cast<T>(__builtin_nan(""));
  }
  return fold_lanes<Op, T>(best[0]);
}

// Whole vectors: four accumulators, each of which sees at most kRowBlock / (4 · lanes) additions, as one.
template <typename Op, typename T>
NAGARE_INLINE Vec<T> fold_vectors(const T* x, int64_t n) {
  constexpr int N = kLanes<T>;
  Vec<T> a = splat<T>(Op::identity), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    a = Op::apply(a, load(x + i));
    b = Op::apply(b, load(x + i + N));
    c = Op::apply(c, load(x + i + 2 * N));
    d = Op::apply(d, load(x + i + 3 * N));
  }
  for (; i < n; i += N) a = Op::apply(a, load(x + i));
  return Op::apply(Op::apply(a, b), Op::apply(c, d));
}

// At most kRowBlock elements.
template <typename Op, typename T>
NAGARE_NOINLINE T fold_block(const T* x, int64_t n) {
  constexpr int N = kLanes<T>;
  T result = Op::identity;
  int64_t i = n / N * N;
  if constexpr (kExtreme<Op>) {
    if (i > 0) result = fold_extreme<Op>(x, i);
  } else if (i > 0) {
    result = fold_lanes<Op, T>(fold_vectors<Op>(x, i));
  }
  for (; i < n; i++) result = Op::apply(result, x[i]);
  return result;
}

// As many rows as a vector has lanes, of n ≥ lanes elements, one behind the other: what fold_block makes of each, with the lanes of all
// rows combined at once.
template <typename Op, typename T>
NAGARE_NOINLINE void fold_rows_together(const T* x, int64_t n, T* folds) {
  constexpr int N = kLanes<T>;
  using Float = typename FloatOf<sizeof(T)>::type;
  alignas(64) T square[N * N];
  const int64_t whole = n / N * N;
  for (int row = 0; row < N; row++) store(square + row * N, fold_vectors<Op>(x + row * n, whole));
  transpose_lanes(reinterpret_cast<const Float*>(square), N, reinterpret_cast<Float*>(square), N);
  for (int distance = N / 2; distance > 0; distance /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < distance; i++) store(square + i * N, Op::apply(load<T>(square + i * N), load<T>(square + (i + distance) * N)));
  }
  for (int row = 0; row < N; row++) {
    T result = square[row];
    for (int64_t i = whole; i < n; i++) result = Op::apply(result, x[row * n + i]);
    folds[row] = result;
  }
}

// Partial results of equal weight meet pairwise, like the carries of a binary counter.
template <typename Op, typename T>
struct PairwiseFold {
  T partial[48];
  int64_t count = 0;

  NAGARE_INLINE void add(T value) {
    int level = 0;
    for (int64_t c = count++; c & 1; c >>= 1) value = Op::apply(partial[level++], value);
    partial[level] = value;
  }
  NAGARE_INLINE T finish() const {
    T value = Op::identity;
    int level = 0;
    for (int64_t c = count; c; c >>= 1, level++) {
      if (c & 1) value = Op::apply(partial[level], value);
    }
    return value;
  }
};

// A row of each of `results` tensors, to `folds`, which are `distance` elements apart.
template <typename Op, typename T>
void fold_row(Source<T>& x, int64_t index, int64_t n, int results, T* folds, int64_t distance) {
  T buffer[kMaxReductions * kRowBlock];
  if (n <= kRowBlock) {
    const Elements<T> row = x.read(index, n, buffer);
    for (int k = 0; k < results; k++) folds[k * distance] = fold_block<Op, T>(row.of(k), n);
    return;
  }
  PairwiseFold<Op, T> pairs[kMaxReductions];
  for (int64_t i = 0; i < n; i += kRowBlock) {
    const int64_t count = n - i < kRowBlock ? n - i : kRowBlock;
    const Elements<T> block = x.read(index + i, count, buffer);
    for (int k = 0; k < results; k++) pairs[k].add(fold_block<Op, T>(block.of(k), count));
  }
  for (int k = 0; k < results; k++) folds[k * distance] = pairs[k].finish();
}

// sums[c] = sums[c] · (the fold of 8 rows, `stride` apart, as a tree).
template <typename Op, typename T>
NAGARE_NOINLINE void fold_eight_rows(const T* x, int64_t stride, int64_t columns, T* sums) {
  constexpr int N = kLanes<T>;
  int64_t c = 0;
  for (; c + N <= columns; c += N) {
    const T* p = x + c;
    Vec<T> pair[4];
    for (int i = 0; i < 4; i++) pair[i] = Op::apply(load(p + 2 * i * stride), load(p + (2 * i + 1) * stride));
    store(sums + c, Op::apply(load(sums + c), Op::apply(Op::apply(pair[0], pair[1]), Op::apply(pair[2], pair[3]))));
  }
  for (; c < columns; c++) {
    T value = Op::identity;
    for (int i = 0; i < 8; i++) value = Op::apply(value, x[c + i * stride]);
    sums[c] = Op::apply(sums[c], value);
  }
}

// Columns of all tensors together that are folded at once.
constexpr int64_t kColumnTile = 1024;

// Eight rows of so many bytes together that come from memory are asked for before they are folded side by side: hardware, which follows
// what is read in the order it lies, brings rows of less in time, and of more it follows each.
constexpr int64_t kLeastAskedBytes = 2 << 10, kMostAskedBytes = 8 << 10;

// sums[k · columns + c] = the fold over `rows` rows, `stride` apart, of columns [index, index + columns) of tensor k of `results`;
// results · columns ≤ kColumnTile.
template <typename Op, typename T>
void fold_columns(Source<T>& x, int64_t index, int64_t rows, int64_t stride, int64_t columns, int results, T* sums) {
  T buffer[8 * kColumnTile];
  for (int64_t c = 0; c < results * columns; c++) sums[c] = Op::identity;
  const int64_t bytes = 8 * columns * static_cast<int64_t>(sizeof(T));
  const bool asks = x.leaves_caches() && columns == stride && bytes >= kLeastAskedBytes && bytes <= kMostAskedBytes;
  int64_t row = 0;
  for (; row + 8 <= rows; row += 8) {
    const int64_t first = index + row * stride;
    if (const T* from = x.in_place(first)) {
      // Two blocks further, of which what lies beyond the last rows is never read.
      if (asks) ask_for_row(from + 16 * stride, 8 * stride);
      fold_eight_rows<Op, T>(from, stride, columns, sums);
      continue;
    }
    Elements<T> eight{buffer, 8 * columns};
    if (columns == stride) eight = x.read(first, 8 * columns, buffer);
    else {
      for (int i = 0; i < 8; i++) x.read_apart(first + i * stride, columns, buffer + i * columns, eight.pitch, stride);
    }
    for (int k = 0; k < results; k++) fold_eight_rows<Op, T>(eight.of(k), columns, columns, sums + k * columns);
  }
  for (; row < rows; row++) {
    const int64_t first = index + row * stride;
    const Elements<T> from =
        columns == stride ? x.read(first, columns, buffer) : Elements<T>{x.read_apart(first, columns, buffer, columns, stride), columns};
    for (int k = 0; k < results; k++) {
      T* const own = sums + k * columns;
      for (int64_t c = 0; c < columns; c++) own[c] = Op::apply(own[c], from.of(k)[c]);
    }
  }
}

}  // namespace nagare::NAGARE_ISA
