// Maximum and average over windows of an image, their tangents and transposes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parallel.h"

namespace nagare {

// x: [batch, inH, inW, channels], y: [batch, outH, outW, channels], dense. Window (oy, ox) covers rows
// oy·strideH − padTop + [0, windowH) and columns ox·strideW − padLeft + [0, windowW). Bottom and right padding follow from outH and outW.
// Cells outside the image never win a maximum and add nothing to an average.
struct Pool2dParams {
  int64_t batch, inH, inW, channels, outH, outW;
  int64_t windowH, windowW, strideH, strideW, padTop, padLeft;
  bool countIncludePad;  // average: divide by windowH·windowW (true) or by the number of cells inside the image (false)
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Outputs are overwritten whole and must not overlap inputs. No scratch. Parallel over images and rows; results do not depend on the
// number of threads.

// y = maximum of each window. NaN counts as the maximum. A window wholly outside the image gives the least value of T (−∞ for floats).
// T: float, double, int32_t.
template <typename T>
void max_pool(const Pool2dParams& params, const T* x, T* y, const Parallel& parallel);

// dy[window] = dx at the position of the maximum of x in that window: the first in row-major order, the first NaN if there is one.
// The tangent of max_pool at x. A window wholly outside the image gives 0. T: float, double.
template <typename T>
void max_pool_select(const Pool2dParams& params, const T* x, const T* dx, T* dy, const Parallel& parallel);

// dx = Σ over windows of dy[window] placed at the position of the maximum of x: the transpose of max_pool_select in dx. T: float, double.
template <typename T>
void max_pool_scatter(const Pool2dParams& params, const T* x, const T* dy, T* dx, const Parallel& parallel);

// y = average of each window; a window wholly outside the image gives 0. T: float, double.
template <typename T>
void avg_pool(const Pool2dParams& params, const T* x, T* y, const Parallel& parallel);

// dx from dy: the transpose of avg_pool. T: float, double.
template <typename T>
void avg_pool_grad(const Pool2dParams& params, const T* dy, T* dx, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
