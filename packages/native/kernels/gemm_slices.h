// Which products are cut along the depth: into slices whose sums are added up at the end.
#pragma once

#include "blocking.h"
#include "gemm_few_rows.h"

namespace nagare::NAGARE_ISA {

// Products of at most so many sums, of at least twice so many products each, are cut along the depth.
constexpr int64_t kFewSums = 1024;
constexpr int64_t kSliceDepth = 4096;
constexpr int64_t kMostSlices = 16;

// So are few rows of sums with a matrix that no first cache holds. Threads that divide the columns would read parts of rows, and each of
// them eight neighbours side by side, in runs that end before the processor sees that they are runs: 1 × 2048 × 512 takes 43 µs instead of
// 65 from the last cache and 103 instead of 237 from memory (Zen 3). The sums fit the buffer of multiply_rows.
constexpr int64_t kStreamedElements = int64_t(1) << 15, kStreamedSums = int64_t(1) << 12, kStreamedDepth = 128;
inline bool is_streamed(const GemmParams& p) {
  const bool wholeRows = !p.transposeB && p.ldb == p.n;
  return p.m <= kFewRowsSummed && wholeRows && p.m * p.n <= kStreamedSums && p.k * p.n >= kStreamedElements;
}

// Slices of the depth of one product; depends on the shape alone.
struct DepthSlices {
  int64_t depth, count;
  bool streamed;

  explicit DepthSlices(const GemmParams& p) : depth(p.k), count(1), streamed(is_streamed(p)) {
    const int64_t least = streamed ? kStreamedDepth : p.m * p.n <= kFewSums ? kSliceDepth : p.k;
    if (p.packedB || p.k < 2 * least) return;
    depth = even_block(p.k, max64(least, divide_up(p.k, kMostSlices)), 16);
    count = divide_up(p.k, depth);
  }

  // The product of one slice, dense and by itself.
  GemmParams slice(GemmParams p, int64_t index) const {
    p.k = min64(depth, p.k - index * depth);
    p.ldc = p.n;
    p.accumulate = false;
    p.activation = Activation::none;
    p.finish = nullptr;
    return p;
  }
};

}  // namespace nagare::NAGARE_ISA
