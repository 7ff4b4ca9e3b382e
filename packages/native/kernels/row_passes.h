// Rows that are gone over several times: by reductions, each of which needs what the one before made of the row, and by what makes the
// row's results. The passes run side by side, each over a row of the group behind that of the pass before it: while memory brings one
// row and takes another there is arithmetic to do, and what a reduction ends with is known long before the next pass asks for it.
#pragma once

#include "row_maximum.h"
#include "rows.h"

namespace nagare::NAGARE_ISA {

// A row between its passes.
template <typename T>
struct RowInHand {
  int64_t index;
  // What its reductions made.
  T* numbers;
  // Where a reduction may leave elements that the last pass begins with.
  T* elements;
};

// A pass that folds values(row)(i, count), vectors of which `count` lanes count; done(row, total) keeps what comes of it.
template <typename Op, typename Values, typename Done>
struct RowReduction {
  Values values;
  Done done;
};
template <typename Op, typename Values, typename Done>
NAGARE_INLINE RowReduction<Op, Values, Done> reduce_each_row(Values values, Done done) {
  return {values, done};
}
// In the place of a pass that an operation does not have.
struct NoPass {};

// The elements of each row of x, of n, as values.
template <typename T>
NAGARE_INLINE auto elements_of_rows(const T* x, int64_t n) {
  return [=](const RowInHand<T>& row) __attribute__((always_inline)) {
    const T* const from = x + row.index * n;
    return [=](int64_t i, int64_t count) __attribute__((always_inline)) { return load_some(from + i, count); };
  };
}

// Writes what is made of a row.
template <bool streams, typename T, typename Value>
class FinishingRow {
 public:
  NAGARE_INLINE FinishingRow(Value value, T* to) : value_(value), to_(to) {}
  NAGARE_INLINE void four(int64_t i) {
    const Several<T, 4> values = four_values<T>(value_, i);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) put<kLanes<T>, streams>(to_ + i + v * kLanes<T>, values.v[v]);
  }
  NAGARE_INLINE void one(int64_t i) { put<kLanes<T>, streams>(to_ + i, value_(i, kLanes<T>)); }
  NAGARE_INLINE void part(int64_t i, int64_t count) { store_some<T>(to_ + i, value_(i, count), count); }

 private:
  Value value_;
  T* to_;
};

// to[i] = value(i, count) for n elements.
template <typename T, typename Value>
NAGARE_INLINE void make_row(T* to, int64_t n, const Value& value) {
  FinishingRow<false, T, Value> row(value, to);
  walk_rows<T>(n, row);
}

// Asks for what is read some rows later.
template <typename T, int N>
class FetchingRow {
 public:
  NAGARE_INLINE FetchingRow(const T* const (&operands)[N], int64_t at) {
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) ahead_[k] = reinterpret_cast<const char*>(operands[k] + at) + kAhead;
  }
  NAGARE_INLINE void four(int64_t i) {
    constexpr int64_t bytes = static_cast<int64_t>(sizeof(T));
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
#pragma GCC unroll 4
      for (int64_t line = 0; line < 4 * kVectorBytes; line += kLine) __builtin_prefetch(ahead_[k] + i * bytes + line);
    }
  }
  NAGARE_INLINE void one(int64_t i) {
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) __builtin_prefetch(ahead_[k] + i * static_cast<int64_t>(sizeof(T)));
  }
  NAGARE_INLINE void part(int64_t i, int64_t) { one(i); }

 private:
  static constexpr int64_t kAhead = int64_t(1) << 13;
  const char* ahead_[N];
};

// Rows of a group: as many as are no more than this together, so that those of all passes stay in the first cache.
constexpr int64_t kRowGroup = 8, kRowGroupBytes = int64_t(1) << 12;

// Results of n elements a row by up to two reductions and last(row)(i, count). `operands` are as large as y and read by the pass that
// comes first.
template <typename T, int N, typename First, typename Second, typename Last>
class RowPasses {
 public:
  RowPasses(T* y, const T* const (&operands)[N], int64_t rows, int64_t n, const First& first, const Second& second, const Last& last)
      : y_(y), rows_(rows), n_(n), first_(first), second_(second), last_(last) {
    for (int k = 0; k < N; k++) operands_[k] = operands[k];
    const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
    streams_ = streams_rows<T>((N + 1) * rows * bytes, n);
    wholeLines_ = bytes % kLine == 0 && bytes_to_line(y) == 0;
    group_ = min64(kRowGroup, max64(1, kRowGroupBytes / bytes));
  }

  void run(const Parallel& parallel) const {
    for_row_ranges(rows_, n_, parallel, [&](int64_t begin, int64_t end) {
      if (streams_ && wholeLines_) range<true>(begin, end);
      else range<false>(begin, end);
    });
  }

 private:
  static constexpr bool kTwo = !__is_same(First, NoPass);
  // Groups that the last pass is behind the first.
  static constexpr int64_t kBehind = kTwo ? 2 : 1;

  template <bool straight>
  void range(int64_t begin, int64_t end) const {
    T numbers[(kBehind + 1) * kRowGroup][2];
    alignas(kVectorBytes) T buffer[2 * kStreamedRowBytes / sizeof(T)];
    const int64_t groups = divide_up(end - begin, group_);
    for (int64_t step = 0; step < groups + kBehind; step++) {
      for (int64_t r = 0; r < group_; r++) {
        const auto row = [&](int64_t behind) {
          const int64_t group = step - behind, index = begin + group * group_ + r;
          T* const elements = streams_ ? buffer + ((group & 1) * group_ + r) * n_ : y_ + index * n_;
          return RowInHand<T>{index, numbers[(group + kBehind + 1) % (kBehind + 1) * kRowGroup + r], elements};
        };
        take<straight>(row(0), row(kBehind - 1), row(kBehind), begin, end);
      }
      if (streams_ && !straight && step >= kBehind) {
        const int64_t group = step - kBehind, first = begin + group * group_;
        stream_copy(y_ + first * n_, buffer + (group & 1) * group_ * n_,
                    min64(group_, end - first) * n_ * static_cast<int64_t>(sizeof(T)));
      }
    }
    if (streams_) finish_streaming();
  }

  // The first, second and last pass, each over a row of its own, if it is one.
  template <bool straight>
  NAGARE_INLINE void take(const RowInHand<T>& a, const RowInHand<T>& b, const RowInHand<T>& c, int64_t begin, int64_t end) const {
    const bool any = a.index < end, next = b.index >= begin && b.index < end, ends = c.index >= begin && c.index < end;
    if (streams_ && ends) touch_pages_ahead(y_ + c.index * n_, n_ * static_cast<int64_t>(sizeof(T)));
    if (any && ends) {
      FetchingRow<T, N> fetching(operands_, a.index * n_);
      auto finishing = finish<straight>(c);
      auto folding = fold(second_, b);
      if constexpr (kTwo) {
        auto leading = fold(first_, a);
        walk_rows<T>(n_, fetching, leading, folding, finishing);
        first_.done(a, leading.total());
      } else {
        walk_rows<T>(n_, fetching, folding, finishing);
      }
      second_.done(b, folding.total());
      return;
    }
    if constexpr (kTwo) {
      if (any) alone(first_, a);
    }
    if (next) alone(second_, b);
    if (ends) {
      auto finishing = finish<straight>(c);
      walk_rows<T>(n_, finishing);
    }
  }

  template <typename Op, typename Values, typename Done>
  NAGARE_INLINE auto fold(const RowReduction<Op, Values, Done>& pass, const RowInHand<T>& row) const {
    const auto value = pass.values(row);
    return FoldingRow<Op, T, decltype(value)>(value);
  }
  template <typename Pass>
  NAGARE_INLINE void alone(const Pass& pass, const RowInHand<T>& row) const {
    auto folding = fold(pass, row);
    walk_rows<T>(n_, folding);
    pass.done(row, folding.total());
  }
  template <bool straight>
  NAGARE_INLINE auto finish(const RowInHand<T>& row) const {
    const auto value = last_(row);
    return FinishingRow<straight, T, decltype(value)>(value, straight ? y_ + row.index * n_ : row.elements);
  }

  T* y_;
  const T* operands_[N];
  int64_t rows_, n_, group_;
  bool streams_, wholeLines_;
  First first_;
  Second second_;
  Last last_;
};

template <typename T, int N, typename First, typename Second, typename Last>
void make_rows(T* y, const T* const (&operands)[N], int64_t rows, int64_t n, const Parallel& parallel, const First& first,
               const Second& second, const Last& last) {
  RowPasses<T, N, First, Second, Last>(y, operands, rows, n, first, second, last).run(parallel);
}

}  // namespace nagare::NAGARE_ISA
