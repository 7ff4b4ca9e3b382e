// Two-dimensional convolution (cross-correlation, as everywhere in machine learning) and its two gradients.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gemm.h"
#include "parallel.h"

namespace nagare {

// How the filters of a forward pass are handed over: as they lie, or as conv2d_pack has laid them out, in panels of output channels, or at
// Winograd's points.
enum class FilterLayout { plain, panels, points };

// x: [batch, inH, inW, inC], w: [kH, kW, inC / groups, outC], y: [batch, outH, outW, outC], all dense.
// y[b, oy, ox, co] = Σ x[b, iy, ix, g·inC/groups + ci] · w[ky, kx, ci, co] over ky, kx, ci, with g = co / (outC / groups),
// iy = oy·strideH − padTop + ky·dilationH, ix = ox·strideW − padLeft + kx·dilationW, and x = 0 outside the image. The bottom
// and right padding follow from outH and outW; cells beyond the image count as zeros however many there are. inC and outC must be multiples of
// groups.
struct Conv2dParams {
  int64_t batch, inH, inW, inC, outH, outW, outC;
  int64_t kH, kW, strideH, strideW, padTop, padLeft, dilationH, dilationW, groups;
  Activation activation;  // of the forward pass, after the epilogue
  FilterLayout filters;   // of the forward pass
};

// What is done to the finished sums of the forward pass before the activation: scale·sum + bias + residual, each of which may be null.
template <typename T>
struct ConvEpilogue {
  const T *scale, *bias;  // [outC]
  const T* residual;      // like y
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// T: float, double. Outputs are overwritten whole and must not overlap inputs. Scratch is 64-byte aligned.
// Results do not depend on the number of threads.

// y = activation(scale·(x ∗ w) + bias + residual).
template <typename T>
void conv2d(const Conv2dParams& params, const T* x, const T* w, const ConvEpilogue<T>& epilogue, T* y, const Parallel& parallel, void* scratch);
template <typename T>
size_t conv2d_scratch_bytes(const Conv2dParams& params, int threads);

// The layout in which filters that stay the same are worth having; plain where every call makes it in no time. With layouts of points a
// kernel is 3 × 3, with stride and dilation 1, of float.
template <typename T>
FilterLayout conv2d_filter_layout(const Conv2dParams& params);

// Filters in the layout params.filters, which depends on their own sizes alone, and how many elements it has.
template <typename T>
void conv2d_pack(const Conv2dParams& params, const T* w, T* packed, const Parallel& parallel);
template <typename T>
int64_t conv2d_packed_elements(const Conv2dParams& params);

// dx from dy: the transpose of conv2d in x.
template <typename T>
void conv2d_input_gradient(const Conv2dParams& params, const T* dy, const T* w, T* dx, const Parallel& parallel, void* scratch);
template <typename T>
size_t conv2d_input_gradient_scratch_bytes(const Conv2dParams& params, int threads);

// dw from x and dy: the transpose of conv2d in w.
template <typename T>
void conv2d_filter_gradient(const Conv2dParams& params, const T* x, const T* dy, T* dw, const Parallel& parallel, void* scratch);
template <typename T>
size_t conv2d_filter_gradient_scratch_bytes(const Conv2dParams& params, int threads);

}  // namespace NAGARE_ISA
#endif

}  // namespace nagare
