// Sums, products, extremes and their positions along one axis.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "elementwise.h"
#include "parallel.h"

namespace nagare {

enum class ReduceOp : int32_t { sum, prod, max, min, argMax, argMin };

// So many reductions are carried out at once, of what one chain makes.
constexpr int kMaxReductions = 4;

// x: [outer, n, inner] → y: [outer, inner], dense; of dtype, or int32 for positions. A chain may make several x, each with its y.
struct ReduceParams {
  ReduceOp op;
  DType dtype;
  int64_t outer, n, inner;
  int64_t cost = 0;  // of an element that a chain makes, in additions
  int results = 1;
};

// Elements in memory, or, where there is a program, those it makes: each just before it is folded, in tiles that lie within rows. Sums and
// extremes take both, positions only elements in memory.
struct ReduceInput {
  const void* data;
  const TileProgram* chain;
  const void* const* operands;
  void* chainScratch;
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Integers accumulate in their own dtype and wrap; the halves in float32. n = 0 gives 0 for sum and 1 for prod; extremes need n ≥ 1.
// An extreme is NaN when an element is, and its position the first NaN's; otherwise the first of equals wins.
// Long sums are cut into pieces by the shape alone and added pairwise, so that the result does not depend on the threads and the
// error grows with log n.
void reduce(const ReduceParams& params, const ReduceInput& x, void* const* y, const Parallel& parallel, void* scratch);
size_t reduce_scratch_bytes(const ReduceParams& params, int threads);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
