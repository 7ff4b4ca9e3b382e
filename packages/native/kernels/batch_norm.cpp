#include "batch_norm.h"

#include "rows.h"

namespace nagare::NAGARE_ISA {
namespace {

// Numbers of a single channel follow each other: a chunk of so many is in the second cache when it is gone over again.
constexpr int64_t kRunElements = int64_t(1) << 15;

// The rows of an example are summed in chunks, and the chunks' sums in order.
struct Chunks {
  int64_t rows, count;
};
Chunks chunks_of(const BatchNormParams& p) {
  if (p.n == 1) return {min64(p.rows, kRunElements), divide_up(p.rows, kRunElements)};
  constexpr int64_t most = 64;
  const int64_t rows = max64(divide_up(p.rows, most), max64(1, kRowElementsPerTask / max64(1, p.n)));
  return {rows, divide_up(p.rows, rows)};
}

// The two sums of a chunk lie one after the other: [2, n]. Chunks are counted through all examples.
template <typename T>
T* sums_of_chunk(void* scratch, int64_t chunk, int64_t n) {
  return static_cast<T*>(scratch) + chunk * 2 * n;
}

// body(chunk, row0, row1) for all chunks of all examples, whose rows are counted through all examples, too.
template <typename Body>
void for_chunks(const BatchNormParams& p, const Chunks& chunks, const Parallel& parallel, const Body& body) {
  for_rows(p.examples * chunks.count, chunks.rows * p.n, parallel, [&](int64_t chunk) {
    const int64_t example = chunk / chunks.count, row0 = (chunk % chunks.count) * chunks.rows;
    body(chunk, example * p.rows + row0, example * p.rows + min64(p.rows, row0 + chunks.rows));
  });
}

// a[c] = Σ first and b[c] = Σ second over rows [row0, row1), where term(position, center) gives both for the lanes at `position` and
// `centers` at them. Rows go in pairs: one chain of additions would wait for each of them.
template <typename T, typename Term>
void add_rows(int64_t n, int64_t row0, int64_t row1, const T* centers, T* a, T* b, const Term& term) {
  // A few rows at a time where they are long, so that memory is read in the order it lies.
  const int64_t step = n <= 8 * kLanes<T> ? row1 - row0 : 8;
  for (int64_t row = row0; row < row1; row += step) {
    const int64_t end = min64(row1, row + step);
    for_halved_lanes<T, 2>(n, [&](auto block, int64_t c) {
      constexpr int V = block.vectors, L = block.lanes;
      typedef typename VectorOf<T, L>::type Vector;
      Vector first[2][V] = {}, second[2][V] = {}, center[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) {
        center[v] = load<T, L>(centers + c + v * L);
        if (row > row0) first[0][v] = load<T, L>(a + c + v * L), second[0][v] = load<T, L>(b + c + v * L);
      }
      int64_t r = row;
      for (; r + 2 <= end; r += 2) {
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
#pragma GCC unroll 2
          for (int v = 0; v < V; v++) term((r + i) * n + c + v * L, center[v], first[i][v], second[i][v]);
        }
      }
      if (r < end) {
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) term(r * n + c + v * L, center[v], first[0][v], second[0][v]);
      }
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) {
        store<T, L>(a + c + v * L, first[0][v] + first[1][v]);
        store<T, L>(b + c + v * L, second[0][v] + second[1][v]);
      }
    });
  }
}

template <typename T, typename V>
NAGARE_INLINE V load_like(const T* p, V) {
  return load<T, static_cast<int>(sizeof(V) / sizeof(T))>(p);
}

// body(at, first, c) for all columns c of all examples, some for each task: `at` counts through all, `first` is the example's first chunk.
template <typename Body>
void for_columns(const BatchNormParams& p, const Chunks& chunks, const Parallel& parallel, const Body& body) {
  constexpr int64_t tile = 256;
  const int64_t columns = p.examples * p.n;
  parallel_for(parallel, divide_up(columns, tile), [&](int64_t index, int) {
    for (int64_t at = index * tile; at < min64(columns, (index + 1) * tile); at++) body(at, at / p.n * chunks.count, at % p.n);
  });
}

// Both sums of a column over the chunks of an example, of which `first` is the first.
template <typename T>
void join_chunks(const BatchNormParams& p, const Chunks& chunks, void* scratch, int64_t first, int64_t c, T& sum, T& product) {
  sum = 0, product = 0;
  for (int64_t chunk = first; chunk < first + chunks.count; chunk++) {
    const T* const part = sums_of_chunk<T>(scratch, chunk, p.n) + c;
    sum += part[0];
    product += part[p.n];
  }
}

// Σ dy and Σ dy·(x − center) of each chunk.
template <typename T>
void add_products(const BatchNormParams& p, const Chunks& chunks, const T* dy, const T* x, const T* centers, const Parallel& parallel,
                  void* scratch) {
  for_chunks(p, chunks, parallel, [&](int64_t chunk, int64_t row0, int64_t row1) {
    T* const part = sums_of_chunk<T>(scratch, chunk, p.n);
    const T* const own = centers + chunk / chunks.count * p.n;
    add_rows(p.n, row0, row1, own, part, part + p.n, [&](int64_t at, auto center, auto& sum, auto& product) __attribute__((always_inline)) {
      const auto d = load_like(dy + at, center);
      sum += d;
      product += d * (load_like(x + at, center) - center);
    });
  });
}

// The mean of a run of numbers and the sum of the squares of their distances from it.
template <typename T>
void moments_of_run(const T* x, int64_t count, T& mean, T& squares) {
  const T center = sum_row<T>(count, [=](int64_t i, int64_t some) __attribute__((always_inline)) { return load_some(x + i, some); }) /
                   static_cast<T>(count);
  squares = sum_row<T>(count, [=](int64_t i, int64_t some) __attribute__((always_inline)) {
    const Vec<T> distance = load_some(x + i, some) - center;
    return distance * distance;
  });
  mean = center;
}

}  // namespace

// Within a chunk, sums of the distances from its first row: these are small where the spread is, however far from 0 the numbers are.
// Chunks are joined as in Chan, Golub & LeVeque 1983.
template <typename T>
void channel_moments(const BatchNormParams& p, const T* x, T* means, T* variances, const Parallel& parallel, void* scratch) {
  const Chunks chunks = chunks_of(p);
  for_chunks(p, chunks, parallel, [&](int64_t chunk, int64_t row0, int64_t row1) {
    T *mean = sums_of_chunk<T>(scratch, chunk, p.n), *square = mean + p.n;
    const T* const first = x + row0 * p.n;
    if (p.n == 1) return moments_of_run(first, row1 - row0, *mean, *square);
    add_rows(p.n, row0, row1, first, mean, square, [&](int64_t at, auto center, auto& sum, auto& squares) __attribute__((always_inline)) {
      const auto distance = load_like(x + at, center) - center;
      sum += distance;
      squares += distance * distance;
    });
    const T share = T(1) / static_cast<T>(row1 - row0);
    for (int64_t c = 0; c < p.n; c++) {
      square[c] -= mean[c] * mean[c] * share;
      mean[c] = first[c] + mean[c] * share;
    }
  });
  for_columns(p, chunks, parallel, [&](int64_t at, int64_t first, int64_t c) {
    T mean = 0, squares = 0;
    for (int64_t chunk = 0; chunk < chunks.count; chunk++) {
      const T* const part = sums_of_chunk<T>(scratch, first + chunk, p.n) + c;
      const T before = static_cast<T>(chunk * chunks.rows), all = static_cast<T>(min64(p.rows, (chunk + 1) * chunks.rows));
      const T distance = part[0] - mean, share = (all - before) / all;
      mean += distance * share;
      squares += part[p.n] + distance * distance * before * share;
    }
    means[at] = mean;
    variances[at] = (squares < 0 ? 0 : squares) / static_cast<T>(p.rows);
  });
}

template <typename T>
void channel_products(const BatchNormParams& p, const T* dy, const T* x, const T* centers, T* sums, T* products, const Parallel& parallel,
                      void* scratch) {
  const Chunks chunks = chunks_of(p);
  add_products(p, chunks, dy, x, centers, parallel, scratch);
  for_columns(p, chunks, parallel,
              [&](int64_t at, int64_t first, int64_t c) { join_chunks<T>(p, chunks, scratch, first, c, sums[at], products[at]); });
}

template <typename T>
void batch_norm_gradient(const BatchNormParams& p, const T* dy, const T* x, const T* scale, const T* means, const T* variances, T* dx,
                         T* dscale, T* doffset, const Parallel& parallel, void* scratch) {
  const Chunks chunks = chunks_of(p);
  add_products(p, chunks, dy, x, means, parallel, scratch);
  // dx = factor·dy − (x − mean)·slope − level, for each channel.
  T* const factors = sums_of_chunk<T>(scratch, chunks.count, p.n);
  T *const slopes = factors + p.n, *const levels = slopes + p.n;
  const T share = T(1) / static_cast<T>(p.rows);
  for_columns(p, chunks, parallel, [&](int64_t c, int64_t first, int64_t) {
    T sum, product;
    join_chunks<T>(p, chunks, scratch, first, c, sum, product);
    const T inverse = T(1) / sqrt(splat(variances[c] + static_cast<T>(p.epsilon)))[0];
    doffset[c] = sum;
    dscale[c] = product * inverse;
    factors[c] = scale[c] * inverse;
    slopes[c] = factors[c] * inverse * inverse * product * share;
    levels[c] = factors[c] * sum * share;
  });
  for_rows(p.rows, p.n, parallel, [&](int64_t row) {
    const int64_t at = row * p.n;
    for_vectors<T>(p.n, [&](int64_t c, int64_t count) {
      const Vec<T> along = (load_some(x + at + c, count) - load_some(means + c, count)) * load_some(slopes + c, count);
      store_some<T>(dx + at + c, load_some(dy + at + c, count) * load_some(factors + c, count) - load_some(levels + c, count) - along, count);
    });
  });
}

template <typename T>
size_t batch_norm_scratch_bytes(const BatchNormParams& p, int) {
  return static_cast<size_t>((p.examples * chunks_of(p).count * 2 + 3) * p.n) * sizeof(T);
}

#define NAGARE_INSTANTIATE(T)                                                                                                        \
  template void channel_moments(const BatchNormParams&, const T*, T*, T*, const Parallel&, void*);                                   \
  template void channel_products(const BatchNormParams&, const T*, const T*, const T*, T*, T*, const Parallel&, void*);              \
  template void batch_norm_gradient(const BatchNormParams&, const T*, const T*, const T*, const T*, const T*, T*, T*, T*,            \
                                    const Parallel&, void*);                                                                         \
  template size_t batch_norm_scratch_bytes<T>(const BatchNormParams&, int);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(double)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::NAGARE_ISA
