// Folding rows and columns of numbers: the inner loops of the reductions.
#pragma once

#include "elementwise.h"
#include "lanes.h"
#include "reduce.h"

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

// Elements of a row that are folded at once.
constexpr int64_t kRowBlock = 2048;
// Elements that a chain makes ahead where it is asked for few: its tiles want to be long.
constexpr int64_t kAhead = 1024;

// Elements to fold: those of what is reduced first, and `pitch` elements on those of what is reduced beside it.
template <typename T>
struct Elements {
  const T* first;
  int64_t pitch;

  NAGARE_INLINE const T* of(int k) const { return first + k * pitch; }
};

// What one task reads of a dense tensor of any dtype, in the type T it is accumulated in: narrow dtypes pass through a buffer, and so does
// what a chain makes, which may be the elements of several tensors.
template <typename T>
class Source {
 public:
  // `end`: where what the task reads ends.
  Source(const ReduceInput& x, const ReduceParams& p, int worker, int64_t end)
      : x_(x), bytes_(dtype_bytes(p.dtype)), widen_(find_load(p.dtype)), worker_(worker), results_(p.results), end_(end) {
    if (!x.chain) return;
    elementwise_ready(*x.chain, x.operands, worker, x.chainScratch);
    const int64_t row = x.chain->dims[x.chain->rank - 1];
    if (x.chain->rowsPerTile) made_ -= made_ % row;
    // One operand in order is fetched by the hardware in time, of several it loses some.
    int streams = 0;
    for (int i = 0; i < x.chain->loads; i++) streams += x.chain->load[i].access == Access::contiguous;
    if (streams > 1) distance_ = kRowBlock;
  }

  // The elements where they lie, or null where they have to be read.
  NAGARE_INLINE const T* in_place(int64_t index) const {
    return x_.chain || widen_ ? nullptr : static_cast<const T*>(x_.data) + index;
  }

  // `count` elements of each tensor from `index` on; `buffer` has room for them. What follows is read next.
  NAGARE_INLINE Elements<T> read(int64_t index, int64_t count, T* buffer) {
    if (x_.chain && count <= kAhead / 2) return {made_ahead(index, count), kAhead};
    return {read_apart(index, count, buffer, count, distance_), count};
  }
  // The same where what lies `distance` elements behind is read next, if it is to be asked for. Those of the next tensor go `pitch`
  // elements behind those of one.
  NAGARE_INLINE const T* read_apart(int64_t index, int64_t count, T* buffer, int64_t pitch, int64_t distance) const {
    if (x_.chain) {
      make(index, count, buffer, pitch, distance);
      return buffer;
    }
    const char* from = static_cast<const char*>(x_.data) + index * bytes_;
    if (!widen_) return reinterpret_cast<const T*>(from);
    widen_(buffer, from, nullptr, nullptr, count);
    return buffer;
  }

 private:
  NAGARE_NOINLINE const T* made_ahead(int64_t index, int64_t count) {
    if (index < first_ || index + count > last_) {
      const int64_t kept = index >= first_ && index < last_ ? last_ - index : 0;
      for (int k = 0; kept && k < results_; k++) {
        T* const own = ahead_ + k * kAhead;
        __builtin_memmove(own, own + (index - first_), static_cast<size_t>(kept) * sizeof(T));
      }
      first_ = index;
      last_ = index + made_ < end_ ? index + made_ : end_;
      make(index + kept, last_ - index - kept, ahead_ + kept, kAhead, distance_);
    }
    return ahead_ + (index - first_);
  }

  NAGARE_NOINLINE void make(int64_t index, int64_t count, T* to, int64_t pitch, int64_t distance) const {
    void* made[kMaxReductions];
    if (!widen_) {
      for (int k = 0; k < results_; k++) made[k] = to + k * pitch;
      return elementwise_fill(*x_.chain, x_.operands, made, index, index + count, distance, worker_, x_.chainScratch);
    }
    // Stored and read again as by two steps: what is folded was rounded to the dtype.
    alignas(64) char narrow[kMaxReductions][kTileElements * 2];
    for (int k = 0; k < results_; k++) made[k] = narrow[k];
    for (int64_t i = 0; i < count; i += kTileElements) {
      const int64_t length = count - i < kTileElements ? count - i : kTileElements;
      elementwise_fill(*x_.chain, x_.operands, made, index + i, index + i + length, distance, worker_, x_.chainScratch);
      for (int k = 0; k < results_; k++) widen_(to + k * pitch + i, narrow[k], nullptr, nullptr, length);
    }
  }

  const ReduceInput& x_;
  int bytes_;
  TileFunction widen_;  // null when elements are stored as T
  int worker_, results_;
  int64_t end_;
  int64_t made_ = kAhead;         // so many of them: whole rows, where tiles are
  int64_t distance_ = 0;          // to what is asked for of operands beyond the caches; 0 for nothing
  int64_t first_ = 0, last_ = 0;  // the elements made ahead
  alignas(64) T ahead_[kMaxReductions * kAhead];
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

// At most kRowBlock elements: four vector accumulators, each of which sees at most kRowBlock / (4 · lanes) additions.
template <typename Op, typename T>
NAGARE_NOINLINE T fold_block(const T* x, int64_t n) {
  constexpr int N = kLanes<T>;
  T result = Op::identity;
  int64_t i = 0;
  if constexpr (kExtreme<Op>) {
    i = n / N * N;
    if (i > 0) result = fold_extreme<Op>(x, i);
  } else if (n >= N) {
    Vec<T> a = splat<T>(Op::identity), b = a, c = a, d = a;
    for (; i + 4 * N <= n; i += 4 * N) {
      a = Op::apply(a, load(x + i));
      b = Op::apply(b, load(x + i + N));
      c = Op::apply(c, load(x + i + 2 * N));
      d = Op::apply(d, load(x + i + 3 * N));
    }
    for (; i + N <= n; i += N) a = Op::apply(a, load(x + i));
    result = fold_lanes<Op, T>(Op::apply(Op::apply(a, b), Op::apply(c, d)));
  }
  for (; i < n; i++) result = Op::apply(result, x[i]);
  return result;
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

// sums[k · columns + c] = the fold over `rows` rows, `stride` apart, of columns [index, index + columns) of tensor k of `results`;
// results · columns ≤ kColumnTile.
template <typename Op, typename T>
void fold_columns(Source<T>& x, int64_t index, int64_t rows, int64_t stride, int64_t columns, int results, T* sums) {
  T buffer[8 * kColumnTile];
  for (int64_t c = 0; c < results * columns; c++) sums[c] = Op::identity;
  int64_t row = 0;
  for (; row + 8 <= rows; row += 8) {
    const int64_t first = index + row * stride;
    if (const T* from = x.in_place(first)) {
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
