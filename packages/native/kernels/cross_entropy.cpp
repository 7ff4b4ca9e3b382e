#include "cross_entropy.h"

#include "rows.h"

namespace nagare::NAGARE_ISA {
namespace {

NAGARE_INLINE int64_t label_at(const CrossEntropyParams& p, const void* labels, int64_t row) {
  return p.wideLabels ? static_cast<const int64_t*>(labels)[row] : static_cast<const int32_t*>(labels)[row];
}

}  // namespace

template <typename T>
void cross_entropy(const CrossEntropyParams& p, const T* logits, const void* labels, T* losses, T* normalizers,
                   const Parallel& parallel) {
  for_rows(p.rows, p.n, parallel, [&](int64_t row) {
    const T* x = logits + row * p.n;
    const T largest = row_maximum(x, p.n);
    const T sum = sum_row<T>(p.n, [&](int64_t i, int64_t count) { return exp_nonpositive(load_some(x + i, count) - largest); });
    const T logarithm = log(splat(sum))[0];
    const int64_t label = label_at(p, labels, row);
    normalizers[row] = largest + logarithm;
    losses[row] = label >= 0 && label < p.n ? (largest - x[label]) + logarithm : static_cast<T>(__builtin_nan(""));
  });
}

template <typename T>
void cross_entropy_gradient(const CrossEntropyParams& p, const T* logits, const void* labels, const T* normalizers, const T* dlosses,
                            T* dlogits, const Parallel& parallel) {
  for_rows(p.rows, p.n, parallel, [&](int64_t row) {
    const T* x = logits + row * p.n;
    T* dx = dlogits + row * p.n;
    const int64_t label = label_at(p, labels, row);
    const bool known = label >= 0 && label < p.n;
    const T normalizer = normalizers[row], factor = known ? dlosses[row] : 0;
    for_vectors<T>(p.n, [&](int64_t i, int64_t count) {
      store_some<T>(dx + i, exp_nonpositive(load_some(x + i, count) - normalizer) * factor, count);
    });
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
