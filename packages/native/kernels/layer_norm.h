// Normalization of rows, by their mean and deviation or by the root of their mean square, and the derivatives.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parallel.h"

namespace nagare {

// rows × n, n ≥ 1.
struct LayerNormParams {
  int64_t rows, n;
  double epsilon;  // added to the variance or mean square; the derivative has no use for it
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// y = scale·(x − mean)·inverse + offset, inverse = 1/√(mean((x − mean)²) + epsilon); mean and inverse [rows], scale and offset [n].
// y may be x. T: float, double.
template <typename T>
void layer_norm(const LayerNormParams& params, const T* x, const T* scale, const T* offset, T* y, T* means, T* inverses,
                const Parallel& parallel);

// dx = inverse·(g − mean(g) − x̂·mean(g·x̂)), g = scale·dy, x̂ = (x − mean)·inverse; dscale = Σ dy·x̂ and doffset = Σ dy over the rows, [n].
// The sums over rows are cut by the shape alone, so that they do not depend on the threads. dx may be dy or x.
template <typename T>
void layer_norm_gradient(const LayerNormParams& params, const T* dy, const T* x, const T* scale, const T* means, const T* inverses, T* dx,
                         T* dscale, T* doffset, const Parallel& parallel, void* scratch);
template <typename T>
size_t layer_norm_gradient_scratch_bytes(const LayerNormParams& params, int threads);

// y = scale·x·inverse, inverse = 1/√(mean(x²) + epsilon); inverse [rows], scale [n]. y may be x.
template <typename T>
void rms_norm(const LayerNormParams& params, const T* x, const T* scale, T* y, T* inverses, const Parallel& parallel);

// dx = inverse·(g − x̂·mean(g·x̂)), g = scale·dy, x̂ = x·inverse; dscale = Σ dy·x̂ over the rows, [n]. As layer_norm_gradient, whose scratch
// it takes.
template <typename T>
void rms_norm_gradient(const LayerNormParams& params, const T* dy, const T* x, const T* scale, const T* inverses, T* dx, T* dscale,
                       const Parallel& parallel, void* scratch);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
