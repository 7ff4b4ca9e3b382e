// Statistics of the channels of a batch, and the derivative of their normalization.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parallel.h"

namespace nagare {

// A matrix [rows, n] for each example, with a channel in each column; rows ≥ 1.
struct BatchNormParams {
  int64_t examples, rows, n;
  double epsilon;  // added to the variance; the statistics have no use for it
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// T: float, double. The rows are cut by the shape alone, so that no sum depends on the threads.

// The mean of each column of each example, and the mean of (x − mean)²; both [examples, n]. One pass over x.
template <typename T>
void channel_moments(const BatchNormParams& params, const T* x, T* means, T* variances, const Parallel& parallel, void* scratch);

// Σ dy and Σ dy·(x − center) of each column of each example, where there is a center for each; all three [examples, n]. One pass.
template <typename T>
void channel_products(const BatchNormParams& params, const T* dy, const T* x, const T* centers, T* sums, T* products,
                      const Parallel& parallel, void* scratch);

// Of one example: dx = scale·inverse·(dy − mean(dy) − x̂·mean(dy·x̂)), dscale = Σ dy·x̂ and doffset = Σ dy over the rows, where
// inverse = 1/√(variance + epsilon) and x̂ = (x − mean)·inverse; scale, mean, variance, dscale and doffset [n]. Two passes. dx may be dy or x.
template <typename T>
void batch_norm_gradient(const BatchNormParams& params, const T* dy, const T* x, const T* scale, const T* means, const T* variances, T* dx,
                         T* dscale, T* doffset, const Parallel& parallel, void* scratch);

// For each of them.
template <typename T>
size_t batch_norm_scratch_bytes(const BatchNormParams& params, int threads);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
