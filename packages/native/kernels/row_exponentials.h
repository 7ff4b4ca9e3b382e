// The exponentials of a row's elements less its largest or more, for softmax and its kin: four vectors side by side, because each alone is
// a chain of operations that wait for each other, and a processor keeps too few of them in hand to take up the next chain meanwhile.
#pragma once

#include "elementary.h"

namespace nagare::NAGARE_ISA {

// exp(x[i] − shift), as values of a row.
template <typename T>
struct RowExponentials {
  const T* x;
  T shift;
  NAGARE_INLINE Vec<T> operator()(int64_t i, int64_t count) const { return exp_nonpositive(load_some(x + i, count) - shift); }
  NAGARE_INLINE Several<T, 4> four(int64_t i) const { return exp_nonpositive(load_several<T, 4>(x + i) - shift); }
};

// The same times a factor.
template <typename T>
struct ScaledExponentials {
  RowExponentials<T> of;
  T factor;
  NAGARE_INLINE Vec<T> operator()(int64_t i, int64_t count) const { return of(i, count) * factor; }
  NAGARE_INLINE Several<T, 4> four(int64_t i) const { return of.four(i) * factor; }
};

// The same without a factor, kept at `to`.
template <typename T>
struct KeptExponentials {
  RowExponentials<T> of;
  T* to;
  NAGARE_INLINE Vec<T> operator()(int64_t i, int64_t count) const {
    const Vec<T> e = of(i, count);
    store_some(to + i, e, count);
    return e;
  }
  NAGARE_INLINE Several<T, 4> four(int64_t i) const {
    const Several<T, 4> e = of.four(i);
    store_several(to + i, e);
    return e;
  }
};

}  // namespace nagare::NAGARE_ISA
