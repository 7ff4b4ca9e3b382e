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

// The position of the first index outside [0, n), or −1.
int64_t first_bad_index(const GatherParams& params, const void* indices, const Parallel& parallel);

// picked[b, o, k, :] = x[b, o, indices[b, k], :]. Indices are looked at a few at a time, before what they say is read, while the first
// cache has them. The position of the first outside [0, n), or −1: with one, nothing is read outside of x, and `picked` is not defined.
int64_t gather(const GatherParams& params, const void* x, const void* indices, void* picked, const Parallel& parallel);

// The kernels below rely on there being no index outside.
// x = 0, then x[b, o, indices[b, k], :] += picked[b, o, k, :]: the same sums for any number of threads.
void scatter_add(const GatherParams& params, const void* picked, const void* indices, void* x, const Parallel& parallel, void* scratch);
size_t scatter_add_scratch_bytes(const GatherParams& params);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
