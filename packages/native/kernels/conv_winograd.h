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

// Whether this is faster than the direct way, by a count of multiply-adds that measurements have weighted. `packed`: with filters that were
// transformed in advance.
bool prefers_winograd(const PatchShape& patches, int64_t outputs, bool packed = false);

// float32 only: float64 is asked for when digits count.
void correlate_winograd(const Correlation<float>& task, const Parallel& parallel, void* scratch);

// `outputs`: of a group.
size_t correlate_winograd_scratch_bytes(const PatchShape& patches, int64_t outputs, bool packed, int threads);

// All filters at the points, which depend on the filters' own sizes alone, and how many elements they are for each group. Of `task`, what
// is result or source does not matter.
void pack_winograd(const Correlation<float>& task, float* packed, const Parallel& parallel);
int64_t packed_winograd_elements(const PatchShape& patches, int64_t outputs);

// dw from x and dy, where prefers_winograd says so of the forward pass; one group.
void winograd_filter_gradient(const Conv2dParams& params, const float* x, const float* dy, float* dw, const Parallel& parallel,
                              void* scratch);

size_t winograd_filter_gradient_scratch_bytes(const Conv2dParams& params, int threads);

}  // namespace nagare::NAGARE_ISA
