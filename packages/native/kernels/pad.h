// Elements with others around them.
#pragma once

#include "copy.h"

namespace nagare {

// x: dims, y: sizes, both dense. x begins at position `low` of y; everywhere else y is the element with these bits.
struct PadParams {
  int32_t elementBytes;  // 1, 2, 4 or 8
  int32_t rank;          // ≥ 1
  int64_t dims[kMaxRank], low[kMaxRank], sizes[kMaxRank];
  int64_t value;
  bool streams;  // past the caches
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Axes that nothing is put around should be merged with the one before them. x and y must not overlap.
void pad(const PadParams& params, const void* x, void* y, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
