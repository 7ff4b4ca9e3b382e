// The one-dimensional transforms of Winograd's F(4, 3).
//
// Its points are 0, ±a, ±b and infinity. With a = 5/8 and b = 3/2 errors are a quarter of those with 1 and 2, which are usual, and no
// more than those of any others that were tried; all constants of cells and results are exact.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

// Results of a tile, and points, along an axis.
constexpr int64_t kTileResults = 4, kTilePoints = 6, kPoints = kTilePoints * kTilePoints;

struct WinogradPoints {
  static constexpr double a = 0.625, b = 1.5, aa = a * a, bb = b * b;
  // The inverse values, at 0 and at the points, of the polynomials that are 0 at all other points.
  static constexpr double atZero = 1 / (aa * bb), atA = 1 / (2 * aa * (aa - bb)), atB = 1 / (2 * bb * (bb - aa));
};

// Bᵀ: six cells at the six points, as factors of the polynomial that is 0 at all other points.
NAGARE_INLINE void transform_cells(const F32 (&d)[6], F32 (&t)[6]) {
  using P = WinogradPoints;
  constexpr float a = P::a, b = P::b, aa = P::aa, bb = P::bb, product = P::aa * P::bb, sum = P::aa + P::bb;
  const F32 evenA = d[4] - bb * d[2], oddA = d[3] - bb * d[1], evenB = d[4] - aa * d[2], oddB = d[3] - aa * d[1];
  t[0] = product * d[0] + (d[4] - sum * d[2]);
  t[1] = evenA + a * oddA;
  t[2] = evenA - a * oddA;
  t[3] = evenB + b * oddB;
  t[4] = evenB - b * oddB;
  t[5] = product * d[1] + (d[5] - sum * d[3]);
}

// G: three taps at the six points, divided by the values there of the polynomials of transform_cells.
NAGARE_INLINE void transform_taps(const F32 (&g)[3], F32 (&t)[6]) {
  using P = WinogradPoints;
  constexpr float zero = P::atZero;
  constexpr float a0 = P::atA, a1 = P::atA * P::a, a2 = P::atA * P::aa, b0 = P::atB, b1 = P::atB * P::b, b2 = P::atB * P::bb;
  const F32 evenA = a0 * g[0] + a2 * g[2], oddA = a1 * g[1], evenB = b0 * g[0] + b2 * g[2], oddB = b1 * g[1];
  t[0] = zero * g[0];
  t[1] = evenA + oddA;
  t[2] = evenA - oddA;
  t[3] = evenB + oddB;
  t[4] = evenB - oddB;
  t[5] = g[2];
}

// Gᵀ: the gradients of three taps from those at the six points.
NAGARE_INLINE void collect_taps(const F32 (&t)[6], F32 (&g)[3]) {
  using P = WinogradPoints;
  constexpr float zero = P::atZero;
  constexpr float a0 = P::atA, a1 = P::atA * P::a, a2 = P::atA * P::aa, b0 = P::atB, b1 = P::atB * P::b, b2 = P::atB * P::bb;
  const F32 evenA = t[1] + t[2], oddA = t[1] - t[2], evenB = t[3] + t[4], oddB = t[3] - t[4];
  g[0] = zero * t[0] + (a0 * evenA + b0 * evenB);
  g[1] = a1 * oddA + b1 * oddB;
  g[2] = a2 * evenA + (b2 * evenB + t[5]);
}

// Aᵀ: four results from the six points.
NAGARE_INLINE void transform_sums(const F32 (&m)[6], F32 (&y)[4]) {
  using P = WinogradPoints;
  constexpr float a = P::a, b = P::b, aa = P::aa, bb = P::bb, aaa = P::a * P::aa, bbb = P::b * P::bb;
  const F32 evenA = m[1] + m[2], oddA = m[1] - m[2], evenB = m[3] + m[4], oddB = m[3] - m[4];
  y[0] = m[0] + evenA + evenB;
  y[1] = a * oddA + b * oddB;
  y[2] = aa * evenA + bb * evenB;
  y[3] = aaa * oddA + (bbb * oddB + m[5]);
}

// A: the cotangents of four results at the six points.
NAGARE_INLINE void transform_cotangents(const F32 (&y)[4], F32 (&t)[6]) {
  using P = WinogradPoints;
  constexpr float a = P::a, b = P::b, aa = P::aa, bb = P::bb, aaa = P::a * P::aa, bbb = P::b * P::bb;
  const F32 evenA = y[0] + aa * y[2], oddA = a * y[1] + aaa * y[3], evenB = y[0] + bb * y[2], oddB = b * y[1] + bbb * y[3];
  t[0] = y[0];
  t[1] = evenA + oddA;
  t[2] = evenA - oddA;
  t[3] = evenB + oddB;
  t[4] = evenB - oddB;
  t[5] = y[3];
}

}  // namespace nagare::NAGARE_ISA
