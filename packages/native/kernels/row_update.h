// Steps of gradient descent on rows picked by number.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gather.h"
#include "parallel.h"

namespace nagare {
#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// x[i, :] -= rate[0] · Σ updates[k, :] over the k with indices[k] = i, in place and in the order of k. Of the parameters batch and outer
// are 1, count is below 2^31, dtype is T's. Rows that no index names are not touched; the sums are the same for any number of threads.
template <typename T>
void subtract_rows(const GatherParams& params, T* x, const void* indices, const T* updates, const T* rate, const Parallel& parallel,
                   void* scratch);

size_t subtract_rows_scratch_bytes(const GatherParams& params);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
