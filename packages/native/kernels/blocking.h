// Integer arithmetic of cache blocking.
#pragma once

#include <stdint.h>

#include "simd.h"

namespace nagare::NAGARE_ISA {

constexpr int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// The size of equal blocks, a multiple of `unit`, that cover `total` with each at most about `limit`. At least 1.
constexpr int64_t even_block(int64_t total, int64_t limit, int64_t unit) {
  return total <= limit ? max64(total, 1) : round_up(divide_up(total, divide_up(total, limit)), unit);
}

// Columns of a packed matrix: whole vectors.
template <typename T>
constexpr int64_t padded_columns(int64_t columns) {
  return round_up(columns, kLanes<T>);
}

}  // namespace nagare::NAGARE_ISA
