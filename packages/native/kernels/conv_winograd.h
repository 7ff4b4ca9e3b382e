// Winograd's minimal filtering F(4×4, 3×3) for correlations with 3×3 taps next to each other (Lavin & Gray 2016).
//
// A tile of 4 × 4 results reads 6 × 6 cells. Cells and filters are evaluated at 6 × 6 points; there a correlation is a product
// [tiles × channels] × [channels × outputs] at each of the 36 points, and from these the results are interpolated:
//   y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A,
// with 36 multiplications for 16 results where the direct way takes 144.
//
// Rounding: with 256 channels of normally distributed values the largest error is 3·10⁻⁶ of the largest result (direct: 4·10⁻⁷). An
// infinity or a NaN reaches all results of the tiles that read it, not only those whose taps do, and infinities may become NaN.
#pragma once

#include "conv_correlation.h"

namespace nagare::NAGARE_ISA {

// Whether this is faster than the direct way, by a count of multiply-adds that measurements have weighted.
bool prefers_winograd(const PatchShape& patches, int64_t outputs);

// float32 only: float64 is asked for when digits count.
void correlate_winograd(const Correlation<float>& task, const Parallel& parallel, void* scratch);

// `outputs`: of a group.
size_t correlate_winograd_scratch_bytes(const PatchShape& patches, int64_t outputs, int threads);

// dw from x and dy, where prefers_winograd says so of the forward pass; one group.
void winograd_filter_gradient(const Conv2dParams& params, const float* x, const float* dy, float* dw, const Parallel& parallel,
                              void* scratch);

size_t winograd_filter_gradient_scratch_bytes(const Conv2dParams& params, int threads);

}  // namespace nagare::NAGARE_ISA
