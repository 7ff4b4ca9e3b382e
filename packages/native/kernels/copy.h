// Moving elements without looking at them: one strided copy serves transpose, slice, broadcast, flip, concatenation, and pad with gaps.
#pragma once

#include <stdint.h>

#include "dtype.h"
#include "elementwise.h"
#include "parallel.h"

namespace nagare {

// An index space of up to kMaxRank dimensions; strides in elements, 0 or negative where wanted.
// y[Σ iₖ·toStrideₖ] = x[Σ iₖ·fromStrideₖ].
struct CopyParams {
  int32_t elementBytes;  // 1, 2, 4 or 8
  int32_t rank;          // ≥ 1
  int64_t dims[kMaxRank], fromStrides[kMaxRank], toStrides[kMaxRank];
  bool streams;  // past the caches, where elements are contiguous on both sides
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Dimensions should be merged where they can be (no size 1, no two that are contiguous in both x and y) and in the order of y.
// x and y must not overlap.
void copy(const CopyParams& params, const void* x, void* y, const Parallel& parallel);

// y[0 … count) = the element of `elementBytes` bytes at `value`; with `streams`, past the caches.
void fill(int32_t elementBytes, const void* value, void* y, int64_t count, bool streams, const Parallel& parallel);

// y[outer, n, inner] = index along n, as `dtype`.
void iota(DType dtype, int64_t outer, int64_t n, int64_t inner, void* y, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
