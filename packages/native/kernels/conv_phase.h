// The patch matrices of the forward pass and of the input gradient.
#pragma once

#include "conv_patch.h"

namespace nagare::NAGARE_ISA {

inline PatchShape forward_patches(const Conv2dParams& p) {
  return {p.batch,
          {p.inH, p.outH, p.strideH, -p.padTop, p.kH, p.dilationH},
          {p.inW, p.outW, p.strideW, -p.padLeft, p.kW, p.dilationW},
          p.inC,
          p.inC / p.groups};
}

inline int64_t greatest_common_divisor(int64_t a, int64_t b) { return b == 0 ? a : greatest_common_divisor(b, a % b); }

// The input cells i of one axis with (i + pad) mod stride = phase. They receive from taps k with k·dilation ≡ phase (mod stride), which
// are every `tapPeriod`-th from `firstTap`, and output cell (i + pad − k·dilation) / stride: a correlation of the output with step 1.
struct StridePhase {
  int64_t firstCell, cells, firstTap, tapPeriod;
  PatchAxis axis;  // over the output gradient; its tap t is filter tap firstTap + (taps − 1 − t)·tapPeriod
};

inline StridePhase stride_phase(int64_t firstCell, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  StridePhase s;
  s.firstCell = firstCell;
  s.cells = (in - firstCell - 1) / stride + 1;
  const int64_t phase = (firstCell + pad) % stride;
  const int64_t divisor = greatest_common_divisor(dilation, stride);
  s.tapPeriod = stride / divisor;
  const int64_t candidates = min64(s.tapPeriod, kernel);
  s.firstTap = 0;
  while (s.firstTap < candidates && (s.firstTap * dilation - phase) % stride != 0) s.firstTap++;
  const int64_t taps = s.firstTap < candidates ? (kernel - 1 - s.firstTap) / s.tapPeriod + 1 : 0;
  const int64_t tapStep = dilation / divisor;
  const int64_t origin = taps > 0 ? (s.firstCell + pad - s.firstTap * dilation) / stride - (taps - 1) * tapStep : 0;
  s.axis = {out, s.cells, 1, origin, taps, tapStep};
  return s;
}

inline StridePhase row_phase(const Conv2dParams& p, int64_t firstCell) {
  return stride_phase(firstCell, p.inH, p.outH, p.kH, p.strideH, p.padTop, p.dilationH);
}

inline StridePhase column_phase(const Conv2dParams& p, int64_t firstCell) {
  return stride_phase(firstCell, p.inW, p.outW, p.kW, p.strideW, p.padLeft, p.dilationW);
}

// A phase that no tap reaches is a patch matrix without columns, and its product is zero.
inline PatchShape phase_patches(const Conv2dParams& p, const StridePhase& y, const StridePhase& x) {
  if (y.axis.taps > 0 && x.axis.taps > 0) return {p.batch, y.axis, x.axis, p.outC, p.outC / p.groups};
  return {p.batch, {p.outH, y.cells, 1, 0, 1, 1}, {p.outW, x.cells, 1, 0, 1, 1}, p.outC, 0};
}

// Phases are told apart by their first cells, so that there are no more of them than cells, however wide the stride.
template <typename Visit>
inline void for_each_phase(const Conv2dParams& p, const Visit& visit) {
  for (int64_t y = 0; y < min64(p.strideH, p.inH); y++) {
    for (int64_t x = 0; x < min64(p.strideW, p.inW); x++) visit(row_phase(p, y), column_phase(p, x));
  }
}

}  // namespace nagare::NAGARE_ISA
