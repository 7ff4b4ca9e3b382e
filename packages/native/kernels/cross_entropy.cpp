#include "cross_entropy.h"

#include "narrow_rows.h"
#include "row_exponentials.h"
#include "row_maximum.h"
#include "row_passes.h"

namespace nagare::NAGARE_ISA {
namespace {

NAGARE_INLINE int64_t label_at(const CrossEntropyParams& p, const void* labels, int64_t row) {
  return p.wideLabels ? static_cast<const int64_t*>(labels)[row] : static_cast<const int32_t*>(labels)[row];
}

}  // namespace

template <typename T>
void cross_entropy(const CrossEntropyParams& p, const T* logits, const void* labels, T* losses, T* normalizers,
                   const Parallel& parallel) {
  if (are_narrow<T>(p.n)) {
    return for_row_ranges(p.rows, p.n, parallel, [&](int64_t first, int64_t last) {
      NarrowBlock<T> block;
      const T* const columns = block.elements;
      for_narrow_blocks<T>(last - first, [&](int64_t r, int64_t count) __attribute__((always_inline)) {
        const int64_t row = first + r;
        load_columns(logits + row * p.n, p.n, count, (last - row) * p.n, block);
        const Vec<T> largest = largest_of_columns(columns, p.n);
        const Vec<T> logarithm =
            log(sum_of_columns<T>(p.n, [&](int64_t i) { return exp_nonpositive(load(columns + i) - largest); }));
        store_some<T>(normalizers + row, largest + logarithm, count);
        T picked[kLanes<T>];
        for (int64_t i = 0; i < kLanes<T>; i++) {
          const int64_t label = i < count ? label_at(p, labels, row + i) : 0;
          picked[i] = label >= 0 && label < p.n ? columns[label * kLanes<T> + i] : static_cast<T>(__builtin_nan(""));
        }
        store_some<T>(losses + row, (largest - load(picked)) + logarithm, count);
      });
    });
  }
  for_rows(p.rows, p.n, parallel, [&](int64_t row) {
    const T* x = logits + row * p.n;
    const T largest = row_maximum(x, p.n);
    const T sum = sum_row<T>(p.n, RowExponentials<T>{x, largest});
    const T logarithm = log(splat(sum))[0];
    const int64_t label = label_at(p, labels, row);
    normalizers[row] = largest + logarithm;
    losses[row] = label >= 0 && label < p.n ? (largest - x[label]) + logarithm : static_cast<T>(__builtin_nan(""));
  });
}

template <typename T>
void cross_entropy_gradient(const CrossEntropyParams& p, const T* logits, const void* labels, const T* normalizers, const T* dlosses,
                            T* dlogits, const Parallel& parallel) {
  if (are_narrow<T>(p.n)) {
    return for_row_ranges(p.rows, p.n, parallel, [&](int64_t first, int64_t last) {
      NarrowBlock<T> block;
      T* const columns = block.elements;
      for_narrow_blocks<T>(last - first, [&](int64_t r, int64_t count) __attribute__((always_inline)) {
        const int64_t row = first + r;
        load_columns(logits + row * p.n, p.n, count, (last - row) * p.n, block);
        int64_t label[kLanes<T>];
        T factors[kLanes<T>];
        for (int64_t i = 0; i < kLanes<T>; i++) {
          label[i] = i < count ? label_at(p, labels, row + i) : -1;
          factors[i] = label[i] >= 0 && label[i] < p.n ? dlosses[row + i] : 0;
        }
        const Vec<T> normalizer = load_some(normalizers + row, count), factor = load(factors);
        set_columns(columns, p.n, [&](int64_t i) { return exp_nonpositive(load(columns + i) - normalizer) * factor; });
        for (int64_t i = 0; i < count; i++) {
          if (label[i] >= 0 && label[i] < p.n) columns[label[i] * kLanes<T> + i] -= factors[i];
        }
        store_columns(block, dlogits + row * p.n, p.n, count);
      });
    });
  }
  for_rows(p.rows, p.n, parallel, [&](int64_t row) {
    const T* x = logits + row * p.n;
    T* dx = dlogits + row * p.n;
    const int64_t label = label_at(p, labels, row);
    const bool known = label >= 0 && label < p.n;
    const T normalizer = normalizers[row], factor = known ? dlosses[row] : 0;
    make_row(dx, p.n, ScaledExponentials<T>{{x, normalizer}, factor});
    if (known) dx[label] -= factor;
  });
}

#define NAGARE_INSTANTIATE(T)                                                                                               \
  template void cross_entropy(const CrossEntropyParams&, const T*, const void*, T*, T*, const Parallel&);                   \
  template void cross_entropy_gradient(const CrossEntropyParams&, const T*, const void*, const T*, const T*, T*, const Parallel&);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(double)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::NAGARE_ISA
