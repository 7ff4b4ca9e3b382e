// x·Φ(x), where Φ is the normal distribution or what stands for it: Φ(x) = 1 − Φ(−x), and far below 0 it is 0 beside 1.
#pragma once

#include "several.h"

namespace nagare::NAGARE_ISA {

// x·Φ(x) = max(x, 0) − t·Φ(−t), t = |x|, with the fourth root of Φ(−t) as a polynomial in t: without an exponential, a quotient, or the
// cancellation of 1 + erf where x is negative. Tail: the polynomial's coefficients, for the least error of Φ, and the `end` where it is 0,
// and from where on Φ(−t) is. Each coefficient was rounded before the further ones were fitted.
template <typename Tail, typename V>
NAGARE_INLINE V times_distribution(V x) {
  const V t = at_most(Tail::end, abs(x));
  const V root = polynomial(t, Tail::c), square = root * root;
  return at_least(0.0f, x) - (square * t) * square;
}

// Φ(−t) = ½·erfc(t/√2), less than 4e-8 from it beside float32's rounding.
struct NormalTail {
  static constexpr float end = 6.1f;
  static constexpr float c[] = {0x1.ae89fap-1f,  -0x1.578544p-3f, -0x1.9b247cp-5f, 0x1.2dcdep-8f,   0x1.fe4f0ep-9f, -0x1.3e0bap-13f,
                                -0x1.db28b2p-13f, 0x1.a2dee6p-16f, 0x1.3a15f2p-18f, -0x1.1915fcp-20f, 0x1.e0fecep-25f};
};
// Φ(−t) = ½·(1 − tanh(√(2/π)·(t + 0.044715·t³))).
struct TanhTail {
  static constexpr float end = 5.3f;
  static constexpr float c[] = {0x1.ae89fap-1f, -0x1.57856ep-3f,  -0x1.9b18f8p-5f, 0x1.34895ep-8f,   0x1.0c6f4p-8f,   -0x1.c2409p-12f,
                                0x1.83fcb2p-15f, -0x1.cedb82p-13f, 0x1.fefdf2p-14f, -0x1.f069b2p-16f, 0x1.d80608p-19f, -0x1.6715a4p-23f};
};

}  // namespace nagare::NAGARE_ISA
