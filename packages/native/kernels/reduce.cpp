#include "reduce.h"

#include "reduce_positions.h"
#include "reduce_split.h"
#include "turn_rows.h"

namespace nagare::NAGARE_ISA {
namespace {

// Writes values of the accumulating type as elements of the dtype, those of each tensor `pitch` elements behind those of the one before.
struct Sink {
  void* const* data;
  int results, bytes;
  TileFunction narrow;

  Sink(void* const* y, const ReduceParams& p) : data(y), results(p.results), bytes(dtype_bytes(p.dtype)), narrow(find_store(p.dtype)) {}

  template <typename T>
  NAGARE_INLINE void write(int64_t index, const T* values, int64_t pitch, int64_t count) const {
    for (int k = 0; k < results; k++) {
      narrow(static_cast<char*>(data[k]) + index * bytes, values + k * pitch, nullptr, nullptr, count);
    }
  }
};

// body(first, rows, columns, k) for blocks of rows that are turned, of tensor k.
template <typename T, typename Body>
void each_turned(const ReduceParams& p, const ReduceInput& input, const Parallel& parallel, const Body& body) {
  const int64_t blocks = divide_up(p.outer, kTurnedRows);
  const int64_t perTask = kPiece / ((p.n + 1) * kTurnedRows) + 1;
  parallel_for(parallel, divide_up(blocks, perTask), [&](int64_t task, int worker) {
    T columns[kShortRow * kTurnedRows], buffer[kMaxReductions * kShortRow * kTurnedRows];
    const int64_t last = min64(p.outer, (task + 1) * perTask * kTurnedRows);
    Source<T> x(input, p, worker, last * p.n);
    for (int64_t first = task * perTask * kTurnedRows; first < last; first += kTurnedRows) {
      const int64_t rows = min64(kTurnedRows, last - first);
      const Elements<T> from = x.read(first * p.n, rows * p.n, buffer);
      for (int k = 0; k < p.results; k++) {
        turn_rows(from.of(k), p.n, rows, x.in_place(first * p.n) ? (p.outer - first) * p.n : rows * p.n, columns);
        body(first, rows, columns, k);
      }
    }
  });
}

template <typename Op, typename T>
void fold_short_rows(const ReduceParams& p, const ReduceInput& x, const Sink& y, const Parallel& parallel) {
  each_turned<T>(p, x, parallel, [&](int64_t first, int64_t rows, const T* columns, int k) {
    T sums[kTurnedRows];
    for (int64_t i = 0; i < rows; i++) sums[i] = Op::identity;
    int64_t j = 0;
    for (; j + 8 <= p.n; j += 8) fold_eight_rows<Op, T>(columns + j * kTurnedRows, kTurnedRows, rows, sums);
    for (; j < p.n; j++) {
      for (int64_t i = 0; i < rows; i++) sums[i] = Op::apply(sums[i], columns[j * kTurnedRows + i]);
    }
    y.narrow(static_cast<char*>(y.data[k]) + first * y.bytes, sums, nullptr, nullptr, rows);
  });
}

// Rows in groups of as many as a vector has lanes; gives the number of rows that are folded.
template <typename Op, typename T>
int64_t fold_groups(Source<T>& x, int64_t row, int64_t count, const ReduceParams& p, T* values) {
  T buffer[kMaxReductions * kRowBlock];
  int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) {
    const Elements<T> rows = x.read((row + i) * p.n, kLanes<T> * p.n, buffer);
    for (int k = 0; k < p.results; k++) fold_rows_together<Op>(rows.of(k), p.n, values + k * kTurnedRows + i);
  }
  return i;
}

template <typename Op, typename T>
void fold_rows(const ReduceParams& p, const ReduceInput& input, const Sink& y, const Parallel& parallel, T* partial) {
  if (p.n <= kShortRow) return fold_short_rows<Op, T>(p, input, y, parallel);
  const Split s = split_of(p);
  if (s.chunks == 1) {
    const int64_t perTask = kPiece / ((p.n + 8) * (1 + p.cost / kCheap)) + 1;
    const bool together = !kExtreme<Op> && p.n * kLanes<T> <= kRowBlock;
    parallel_for(parallel, divide_up(p.outer, perTask), [&](int64_t task, int worker) {
      const int64_t last = min64(p.outer, (task + 1) * perTask);
      Source<T> x(input, p, worker, last * p.n);
      T values[kMaxReductions * kTurnedRows];
      for (int64_t row = task * perTask; row < last; row += kTurnedRows) {
        const int64_t count = min64(kTurnedRows, last - row);
        int64_t i = together ? fold_groups<Op, T>(x, row, count, p, values) : 0;
        for (; i < count; i++) fold_row<Op, T>(x, (row + i) * p.n, p.n, p.results, values + i, kTurnedRows);
        y.write(row, values, kTurnedRows, count);
      }
    });
    return;
  }
  parallel_for(parallel, p.outer * s.chunks, [&](int64_t task, int worker) {
    const int64_t row = task / s.chunks, first = task % s.chunks * s.rows, index = row * p.n + first, n = min64(s.rows, p.n - first);
    Source<T> x(input, p, worker, index + n);
    fold_row<Op, T>(x, index, n, p.results, partial + task, p.outer * s.chunks);
  });
  for (int64_t row = 0; row < p.outer; row++) {
    T values[kMaxReductions];
    for (int k = 0; k < p.results; k++) {
      PairwiseFold<Op, T> pairs;
      for (int64_t chunk = 0; chunk < s.chunks; chunk++) pairs.add(partial[(k * p.outer + row) * s.chunks + chunk]);
      values[k] = pairs.finish();
    }
    y.write(row, values, 1, 1);
  }
}

template <typename Op, typename T>
void fold_narrow(Source<T>& x, int64_t index, int64_t rows, int64_t inner, int results, T* sums) {
  T wide[kMaxReductions * kNarrow * kNarrow], rest[kMaxReductions * kNarrow];
  const int64_t groups = rows / kNarrow, grouped = groups * kNarrow;
  fold_columns<Op, T>(x, index, groups, inner * kNarrow, inner * kNarrow, results, wide);
  fold_columns<Op, T>(x, index + grouped * inner, rows - grouped, inner, inner, results, rest);
  for (int k = 0; k < results; k++) {
    T* const own = wide + k * inner * kNarrow;
    for (int64_t half = kNarrow / 2; half > 0; half /= 2) {
      for (int64_t i = 0; i < half * inner; i++) own[i] = Op::apply(own[i], own[i + half * inner]);
    }
    for (int64_t c = 0; c < inner; c++) sums[k * inner + c] = Op::apply(own[c], rest[k * inner + c]);
  }
}

template <typename Op, typename T>
void fold_inner(const ReduceParams& p, const ReduceInput& input, const Sink& y, const Parallel& parallel, T* partial) {
  const Split s = split_of(p);  // partial is [results, outer, chunks, inner] when the axis is cut
  const int64_t unit = s.rows * s.columns * (1 + p.cost / kCheap);
  const int64_t units = p.outer * s.chunks * s.columnTiles;
  const int64_t perTask = kPiece / (unit + 64) + 1;
  parallel_for(parallel, divide_up(units, perTask), [&](int64_t task, int worker) {
    T sums[kColumnTile];
    const int64_t last = min64(units, (task + 1) * perTask);
    // Slices lie one behind the other, and are read so where they are not cut into columns.
    const int64_t beyond = last / s.columnTiles, end = (beyond / s.chunks * p.n + beyond % s.chunks * s.rows) * p.inner;
    Source<T> x(input, p, worker, end);
    for (int64_t u = task * perTask; u < last; u++) {
      const int64_t tile = u % s.columnTiles, slice = u / s.columnTiles, chunk = slice % s.chunks, outer = slice / s.chunks;
      const int64_t first = tile * s.columns, columns = min64(s.columns, p.inner - first);
      const int64_t row = chunk * s.rows, rows = min64(s.rows, p.n - row), index = (outer * p.n + row) * p.inner + first;
      if (p.inner < kNarrow && rows >= 2 * kNarrow) fold_narrow<Op, T>(x, index, rows, p.inner, p.results, sums);
      else fold_columns<Op, T>(x, index, rows, p.inner, columns, p.results, sums);
      if (s.chunks == 1) {
        y.write(outer * p.inner + first, sums, columns, columns);
        continue;
      }
      for (int k = 0; k < p.results; k++) {
        T* const to = partial + (k * p.outer * s.chunks + slice) * p.inner + first;
        __builtin_memcpy(to, sums + k * columns, static_cast<size_t>(columns) * sizeof(T));
      }
    }
  });
  if (s.chunks == 1) return;
  for (int64_t slice = 0; slice < p.results * p.outer; slice++) {
    T* const own = partial + slice * s.chunks * p.inner;
    // Neighbours meet at distances 1, 2, 4 …: the same tree whatever the threads did.
    for (int64_t distance = 1; distance < s.chunks; distance *= 2) {
      for (int64_t chunk = 0; chunk + distance < s.chunks; chunk += 2 * distance) {
        T* into = own + chunk * p.inner;
        const T* from = into + distance * p.inner;
        for (int64_t c = 0; c < p.inner; c++) into[c] = Op::apply(into[c], from[c]);
      }
    }
  }
  for (int64_t outer = 0; outer < p.outer; outer++) {
    y.write(outer * p.inner, partial + outer * s.chunks * p.inner, p.outer * s.chunks * p.inner, p.inner);
  }
}

template <typename Op, typename T>
void positions_in_rows(const ReduceParams& p, const ReduceInput& input, int32_t* y, const Parallel& parallel, Best<T>* partial) {
  if (p.n <= kShortRow) {
    each_turned<T>(p, input, parallel, [&](int64_t first, int64_t rows, T* columns, int) {
      for (int64_t i = 0; i < rows; i++) y[first + i] = 0;
      for (int64_t j = 1; j < p.n; j++) advance_positions<Op, T>(columns + j * kTurnedRows, rows, j, columns, y + first);
    });
    return;
  }
  const Split s = wide_split_of(p, parallel.threads);
  if (s.chunks == 1) {
    const int64_t perTask = kPiece / (p.n + 8) + 1;
    parallel_for(parallel, divide_up(p.outer, perTask), [&](int64_t task, int worker) {
      const int64_t last = min64(p.outer, (task + 1) * perTask);
      Source<T> x(input, p, worker, last * p.n);
      for (int64_t row = task * perTask; row < last; row++) y[row] = static_cast<int32_t>(best_in_row<Op, T>(x, row * p.n, p.n).at);
    });
    return;
  }
  parallel_for(parallel, p.outer * s.chunks, [&](int64_t task, int worker) {
    const int64_t first = task % s.chunks * s.rows, index = task / s.chunks * p.n + first, n = min64(s.rows, p.n - first);
    Source<T> x(input, p, worker, index + n);
    partial[task] = best_in_row<Op, T>(x, index, n);
    partial[task].at += first;
  });
  for (int64_t row = 0; row < p.outer; row++) {
    const Best<T>* const of = partial + row * s.chunks;
    Best<T> best = of[0];
    for (int64_t chunk = 1; chunk < s.chunks; chunk++) best = takes_place<Op>(best.value, of[chunk].value) ? of[chunk] : best;
    y[row] = static_cast<int32_t>(best.at);
  }
}

template <typename Op, typename T>
void positions_in_columns(const ReduceParams& p, const ReduceInput& input, int32_t* y, const Parallel& parallel, Best<T>* partial) {
  const Split s = wide_split_of(p, parallel.threads);  // partial is [outer, chunks, inner] when the axis is cut
  parallel_for(parallel, p.outer * s.chunks * s.columnTiles, [&](int64_t u, int worker) {
    T best[kColumnTile];
    int32_t at[kColumnTile];
    const int64_t tile = u % s.columnTiles, slice = u / s.columnTiles, chunk = slice % s.chunks, outer = slice / s.chunks;
    const int64_t first = tile * s.columns, columns = min64(s.columns, p.inner - first);
    const int64_t row = chunk * s.rows, rows = min64(s.rows, p.n - row), index = (outer * p.n + row) * p.inner + first;
    const Source<T> x(input, p, worker, p.outer * p.n * p.inner);
    if (p.inner < kNarrow && rows >= 2 * kNarrow) best_in_narrow_columns<Op, T, kNarrow>(x, index, rows, p.inner, best, at);
    else best_in_columns<Op, T>(x, index, rows, p.inner, columns, best, at);
    if (s.chunks == 1) {
      __builtin_memcpy(y + outer * p.inner + first, at, static_cast<size_t>(columns) * sizeof *at);
    } else {
      for (int64_t c = 0; c < columns; c++) partial[slice * p.inner + first + c] = {best[c], row + at[c]};
    }
  });
  if (s.chunks == 1) return;
  for (int64_t outer = 0; outer < p.outer; outer++) {
    Best<T>* const best = partial + outer * s.chunks * p.inner;
    for (int64_t chunk = 1; chunk < s.chunks; chunk++) {
      const Best<T>* const next = best + chunk * p.inner;
      for (int64_t c = 0; c < p.inner; c++) best[c] = takes_place<Op>(best[c].value, next[c].value) ? next[c] : best[c];
    }
    for (int64_t c = 0; c < p.inner; c++) y[outer * p.inner + c] = static_cast<int32_t>(best[c].at);
  }
}

template <typename T>
void reduce_as(const ReduceParams& p, const ReduceInput& x, void* const* results, const Parallel& parallel, void* scratch) {
  const Sink y(results, p);
  T* partial = static_cast<T*>(scratch);
  auto fold = [&](auto op) {
    using Op = decltype(op);
    if (p.inner == 1) fold_rows<Op, T>(p, x, y, parallel, partial);
    else fold_inner<Op, T>(p, x, y, parallel, partial);
  };
  auto locate = [&](auto op) {
    using Op = decltype(op);
    if (p.inner == 1) positions_in_rows<Op, T>(p, x, static_cast<int32_t*>(results[0]), parallel, static_cast<Best<T>*>(scratch));
    else positions_in_columns<Op, T>(p, x, static_cast<int32_t*>(results[0]), parallel, static_cast<Best<T>*>(scratch));
  };
  switch (p.op) {
    case ReduceOp::sum:
      return fold(Sum<T>{});
    case ReduceOp::prod:
      return fold(Product<T>{});
    case ReduceOp::max:
      return fold(Largest<T>{});
    case ReduceOp::min:
      return fold(Smallest<T>{});
    case ReduceOp::argMax:
      return locate(Largest<T>{});
    case ReduceOp::argMin:
      return locate(Smallest<T>{});
  }
}

}  // namespace

size_t reduce_scratch_bytes(const ReduceParams& p, int) {
  const Split s = split_of(p);
  const size_t bytes = p.op == ReduceOp::argMax || p.op == ReduceOp::argMin ? sizeof(Best<int64_t>) : sizeof(int64_t);
  return s.chunks == 1 ? 0 : static_cast<size_t>(p.results * p.outer * s.chunks * p.inner) * bytes;
}

void reduce(const ReduceParams& p, const ReduceInput& x, void* const* y, const Parallel& parallel, void* scratch) {
  if (p.outer == 0 || p.inner == 0) return;
  switch (register_of(p.dtype)) {
    case Register::f32:
      return reduce_as<float>(p, x, y, parallel, scratch);
    case Register::f64:
      return reduce_as<double>(p, x, y, parallel, scratch);
    case Register::i32:
      return reduce_as<int32_t>(p, x, y, parallel, scratch);
    case Register::i64:
      return reduce_as<int64_t>(p, x, y, parallel, scratch);
  }
}

}  // namespace nagare::NAGARE_ISA
