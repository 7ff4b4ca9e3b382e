// Copies of a few bytes, for which a call would take longer than the copy.
#pragma once

#include "simd.h"

namespace nagare::NAGARE_ISA {

// y and x do not overlap; n is at least 1. The last piece may have bytes of the one before it.
NAGARE_INLINE void copy_short(char* y, const char* x, int64_t n) {
  if (n >= 16) {
    for (int64_t i = 0; i + 16 <= n; i += 16) __builtin_memcpy(y + i, x + i, 16);
    __builtin_memcpy(y + n - 16, x + n - 16, 16);
  } else if (n >= 8) {
    __builtin_memcpy(y, x, 8);
    __builtin_memcpy(y + n - 8, x + n - 8, 8);
  } else if (n >= 4) {
    __builtin_memcpy(y, x, 4);
    __builtin_memcpy(y + n - 4, x + n - 4, 4);
  } else {
    y[0] = x[0];
    y[n / 2] = x[n / 2];
    y[n - 1] = x[n - 1];
  }
}

}  // namespace nagare::NAGARE_ISA
