// The largest element of a row, for softmax and its kin, which subtract it.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

template <typename T>
struct Greater {
  static constexpr T identity = -__builtin_inff();
  static NAGARE_INLINE Vec<T> apply(Vec<T> a, Vec<T> b) { return greater(a, b); }
};

// The largest element; any of them where some are NaN.
template <typename T>
NAGARE_INLINE T row_maximum(const T* x, int64_t n) {
  constexpr int64_t lanes = kLanes<T>;
  if (n < lanes) return fold_lanes<Greater<T>, T>(first_lanes<T>(load_part<T, lanes>(x, n), n, splat(x[0])));
  // The last vector may overlap the one before it.
  Vec<T> a = load(x), b = load(x + n - lanes);
  int64_t i = lanes;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = greater(a, load(x + i));
    b = greater(b, load(x + i + lanes));
  }
  if (i + lanes <= n) a = greater(a, load(x + i));
  return fold_lanes<Greater<T>, T>(greater(a, b));
}

}  // namespace nagare::NAGARE_ISA
