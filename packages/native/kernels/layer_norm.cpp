#include "layer_norm.h"

#include "row_passes.h"

namespace nagare::NAGARE_ISA {
namespace {

// Rows whose derivatives by scale and offset are added up before those of other chunks are.
struct Chunks {
  int64_t rows, count;
};
Chunks chunks_of(const LayerNormParams& p) {
  constexpr int64_t most = 64;
  const int64_t rows = max64(divide_up(p.rows, most), max64(1, kRowElementsPerTask / p.n));
  return {rows, divide_up(p.rows, rows)};
}

// y += v over a row.
template <typename T>
NAGARE_INLINE void add_some(T* y, Vec<T> v, int64_t count) {
  store_some<T>(y, load_some(y, count) + v, count);
}

// What a gradient leaves for each element of a row: Σ dy·x̂ and, of layer normalization, Σ dy.
template <typename T>
struct RowSums {
  T *scale, *offset;
};

// dx = inverse·(g − mean(g) − x̂·mean(g·x̂)); `means` is null, and 0 with mean(g), where rows are not centered.
template <typename T, bool centers>
void normalization_gradient(const LayerNormParams& p, const T* dy, const T* x, const T* scale, const T* means, const T* inverses, T* dx,
                            const RowSums<T>& sums, const Parallel& parallel, void* scratch) {
  constexpr int64_t kinds = centers ? 2 : 1;
  const int64_t n = p.n;
  const Chunks chunks = chunks_of(p);
  const T share = T(1) / static_cast<T>(n);
  T* partial = static_cast<T*>(scratch);  // [chunks, kinds, n]
  parallel_for(parallel, chunks.count, [&](int64_t chunk, int) {
    T *sumScale = partial + chunk * kinds * n, *sumOffset = sumScale + n;
    for (int64_t i = 0; i < kinds * n; i++) sumScale[i] = 0;
    for (int64_t row = chunk * chunks.rows; row < min64(p.rows, (chunk + 1) * chunks.rows); row++) {
      const T *g = dy + row * n, *from = x + row * n;
      T* to = dx + row * n;
      const T mean = centers ? means[row] : T(0), inverse = inverses[row];
      const auto normal = [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        const Vec<T> value = load_some(from + i, count);
        return centers ? (value - mean) * inverse : value * inverse;
      };
      Vec<T> along{};
      // Both sums in one pass: lanes beyond the row are 0 in dy.
      const T sumG = sum_row<T>(n, [&](int64_t i, int64_t count) {
        const Vec<T> part = load_some(g + i, count) * load_some(scale + i, count);
        along += part * normal(i, count);
        return part;
      });
      const T meanG = centers ? share * sumG : T(0), meanAlong = share * fold_lanes<Sum<T>, T>(along);
      for_vectors<T>(n, [&](int64_t i, int64_t count) {
        const Vec<T> d = load_some(g + i, count), unit = normal(i, count);
        add_some<T>(sumScale + i, d * unit, count);
        if constexpr (centers) add_some<T>(sumOffset + i, d, count);
        store_some<T>(to + i, (d * load_some(scale + i, count) - meanG - unit * meanAlong) * inverse, count);
      });
    }
  });
  const int64_t tile = 16 * kLanes<T>;
  parallel_for(parallel, divide_up(n, tile), [&](int64_t index, int) {
    for (int64_t first = index * tile; first < min64(n, (index + 1) * tile); first += kLanes<T>) {
      const int64_t count = min64(kLanes<T>, n - first);
      Vec<T> totals[kinds] = {};
      for (int64_t chunk = 0; chunk < chunks.count; chunk++) {
        for (int64_t kind = 0; kind < kinds; kind++) totals[kind] += load_some(partial + (chunk * kinds + kind) * n + first, count);
      }
      store_some<T>(sums.scale + first, totals[0], count);
      if constexpr (centers) store_some<T>(sums.offset + first, totals[1], count);
    }
  });
}

}  // namespace

template <typename T>
void layer_norm(const LayerNormParams& p, const T* x, const T* scale, const T* offset, T* y, T* means, T* inverses,
                const Parallel& parallel) {
  const int64_t n = p.n;
  const T share = T(1) / static_cast<T>(n), epsilon = static_cast<T>(p.epsilon);
  const auto squares = [=](const RowInHand<T>& row) __attribute__((always_inline)) {
    const T* const from = x + row.index * n;
    const T mean = means[row.index];
    return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
      const Vec<T> centered = load_some(from + i, some) - mean;
      return centered * centered;
    };
  };
  make_rows(y, {x}, p.rows, n, parallel,
            reduce_each_row<Sum<T>>(elements_of_rows(x, n), [=](const RowInHand<T>& row, T sum) { means[row.index] = sum * share; }),
            reduce_each_row<Sum<T>>(
                squares, [=](const RowInHand<T>& row, T sum) { inverses[row.index] = T(1) / sqrt(splat(sum * share + epsilon))[0]; }),
            [=](const RowInHand<T>& row) __attribute__((always_inline)) {
              const T* const from = x + row.index * n;
              const T mean = means[row.index], inverse = inverses[row.index];
              return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
                const Vec<T> normal = (load_some(from + i, some) - mean) * inverse;
                return normal * load_some(scale + i, some) + load_some(offset + i, some);
              };
            });
}

template <typename T>
void layer_norm_gradient(const LayerNormParams& p, const T* dy, const T* x, const T* scale, const T* means, const T* inverses, T* dx,
                         T* dscale, T* doffset, const Parallel& parallel, void* scratch) {
  normalization_gradient<T, true>(p, dy, x, scale, means, inverses, dx, {dscale, doffset}, parallel, scratch);
}

template <typename T>
size_t layer_norm_gradient_scratch_bytes(const LayerNormParams& p, int) {
  return static_cast<size_t>(chunks_of(p).count * 2 * p.n) * sizeof(T);
}

template <typename T>
void rms_norm(const LayerNormParams& p, const T* x, const T* scale, T* y, T* inverses, const Parallel& parallel) {
  const int64_t n = p.n;
  const T share = T(1) / static_cast<T>(n), epsilon = static_cast<T>(p.epsilon);
  const auto squares = [=](const RowInHand<T>& row) __attribute__((always_inline)) {
    const T* const from = x + row.index * n;
    return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
      const Vec<T> value = load_some(from + i, some);
      return value * value;
    };
  };
  make_rows(y, {x}, p.rows, n, parallel, NoPass{},
            reduce_each_row<Sum<T>>(
                squares, [=](const RowInHand<T>& row, T sum) { inverses[row.index] = T(1) / sqrt(splat(sum * share + epsilon))[0]; }),
            [=](const RowInHand<T>& row) __attribute__((always_inline)) {
              const T* const from = x + row.index * n;
              const T inverse = inverses[row.index];
              return [=](int64_t i, int64_t some) __attribute__((always_inline)) {
                return load_some(from + i, some) * inverse * load_some(scale + i, some);
              };
            });
}

template <typename T>
void rms_norm_gradient(const LayerNormParams& p, const T* dy, const T* x, const T* scale, const T* inverses, T* dx, T* dscale,
                       const Parallel& parallel, void* scratch) {
  normalization_gradient<T, false>(p, dy, x, scale, nullptr, inverses, dx, {dscale, nullptr}, parallel, scratch);
}

#define NAGARE_INSTANTIATE(T)                                                                                                      \
  template void layer_norm(const LayerNormParams&, const T*, const T*, const T*, T*, T*, T*, const Parallel&);                     \
  template void layer_norm_gradient(const LayerNormParams&, const T*, const T*, const T*, const T*, const T*, T*, T*, T*,          \
                                    const Parallel&, void*);                                                                       \
  template size_t layer_norm_gradient_scratch_bytes<T>(const LayerNormParams&, int);                                               \
  template void rms_norm(const LayerNormParams&, const T*, const T*, T*, T*, const Parallel&);                                     \
  template void rms_norm_gradient(const LayerNormParams&, const T*, const T*, const T*, const T*, T*, T*, const Parallel&, void*);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(double)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::NAGARE_ISA
