// Rows picked by number, and rows added where numbers say.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "parallel.h"

namespace nagare {

// x: [batch, outer, n, inner], indices: [batch, count], picked: [batch, outer, count, inner]; all dense.
struct GatherParams {
  DType dtype;         // of x and picked
  bool wideIndices;    // int64 instead of int32
  int64_t batch, outer, n, inner, count;
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// The position of the first index outside [0, n), or −1. The kernels below rely on there being none.
int64_t first_bad_index(const GatherParams& params, const void* indices, const Parallel& parallel);

// picked[b, o, k, :] = x[b, o, indices[b, k], :]
void gather(const GatherParams& params, const void* x, const void* indices, void* picked, const Parallel& parallel);

// x = 0, then x[b, o, indices[b, k], :] += picked[b, o, k, :]: the same sums for any number of threads.
void scatter_add(const GatherParams& params, const void* picked, const void* indices, void* x, const Parallel& parallel, void* scratch);
size_t scatter_add_scratch_bytes(const GatherParams& params);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
