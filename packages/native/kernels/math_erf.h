// erf x = 2/√π ∫₀ˣ exp(−t²) dt.
#pragma once

#include "math_exponential.h"

namespace nagare::NAGARE_ISA {

#if NAGARE_TABLES
// A polynomial in |x| − n/4 for each quarter up to 4.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V erf(V x) {
  static constexpr float c[6][16] = {
      {0.0f, 0x1.1af54ep-2f, 0x1.0a7ef6p-1f, 0x1.6c1c98p-1f, 0x1.af767ap-1f, 0x1.d8865ep-1f, 0x1.eea556p-1f, 0x1.f92d08p-1f,
       0x1.fd9ae2p-1f, 0x1.ff4048p-1f, 0x1.ffcaa8p-1f, 0x1.fff2d0p-1f, 0x1.fffd1ap-1f, 0x1.ffff70p-1f, 0x1.ffffe8p-1f,
       0x1.fffffcp-1f},
      {0x1.20dd74p+0f, 0x1.0f5d00p+0f, 0x1.c1efa0p-1f, 0x1.492e36p-1f, 0x1.a91212p-2f, 0x1.e46594p-3f, 0x1.e723f8p-4f,
       0x1.b05580p-5f, 0x1.529b60p-6f, 0x1.d41272p-8f, 0x1.1d8078p-9f, 0x1.335b6ap-11f, 0x1.24004ap-13f, 0x1.e99f5ep-16f,
       0x1.6a40e2p-18f, 0x1.d909dep-21f},
      {0x1.d5b600p-18f, -0x1.0f4b7ep-2f, -0x1.c1df50p-2f, -0x1.edc07ep-2f, -0x1.a917dep-2f, -0x1.2ec86cp-2f, -0x1.6d6710p-3f,
       -0x1.7a5240p-4f, -0x1.529640p-5f, -0x1.073692p-6f, -0x1.64a5f0p-8f, -0x1.a624e4p-10f, -0x1.b53eb0p-12f,
       -0x1.8cd44ap-14f, -0x1.3be4fap-16f, -0x1.b97d8cp-19f},
      {-0x1.815d40p-2f, -0x1.3dd1fep-2f, -0x1.2e40a2p-3f, 0x1.b124a0p-6f, 0x1.1c2456p-3f, 0x1.5857e0p-3f, 0x1.1d042ep-3f,
       0x1.71d4eap-4f, 0x1.8ab66ap-5f, 0x1.628c48p-6f, 0x1.0f8470p-7f, 0x1.656c32p-9f, 0x1.96969cp-11f, 0x1.913768p-13f,
       0x1.586a58p-15f, 0x1.01c046p-17f},
      {0x1.095376p-9f, 0x1.178a38p-3f, 0x1.896fdcp-3f, 0x1.3aea62p-3f, 0x1.106452p-4f, -0x1.6224dcp-7f, -0x1.889168p-5f,
       -0x1.934bccp-5f, -0x1.17f874p-5f, -0x1.2dfbe0p-6f, -0x1.09f4e4p-7f, -0x1.87da52p-9f, -0x1.e9b378p-11f,
       -0x1.05d56ap-12f, -0x1.e21452p-15f, -0x1.7fb506p-17f},
      {0x1.b1f5b0p-4f, 0x1.7b18d0p-5f, -0x1.b38372p-6f, -0x1.10b87ap-4f, -0x1.f44318p-5f, -0x1.f6ab6ep-6f, -0x1.324344p-9f,
       0x1.728872p-7f, 0x1.978a3cp-7f, 0x1.11fa1ap-7f, 0x1.15cfbcp-8f, 0x1.c56e3cp-10f, 0x1.32dcd0p-11f, 0x1.5e2db2p-13f,
       0x1.54709cp-15f, 0x1.1bf27ep-17f},
  };
  const V a = at_most(0x1.fffffep+1f, abs(x));
  // Rounded to the quarter below, or to that above, where both have the value.
  const V biased = (a * 4.0f - 0.5f) + 0x1.8p23f;
  const V d = a - (biased - 0x1.8p23f) * 0.25f;
  V sum = look_up(c[5], bits(biased));
#pragma GCC unroll 5
  for (int i = 4; i >= 0; i--) sum = sum * d + look_up(c[i], bits(biased));
  return copy_sign(sum, x);
}
#else
// 1 − (1 − g)⁴, g = 1 − erfc(|x|)^¼ as a polynomial in |x| / 4. Near 0 nothing cancels, as g is small there; and the nearer the result is
// to ±1, the less a rounding error of g counts. Without an exponential, a quotient, or a choice between two polynomials.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V erf(V x) {
  // g = a + a·P(a): beside 1, a rounding error of P's first coefficient counts for an eighth.
  constexpr float c[] = {0x1.06eba4p-3f, 0x1.e8ed04p+0f,  -0x1.fad94p-1f,  -0x1.30c544p+2f, 0x1.32ed2ap+0f,
                         0x1.05f9bcp+3f, -0x1.f6bb6ep+1f, -0x1.02c3d8p+3f, 0x1.238cf2p+3f,  -0x1.63fdc8p+1f};
  // Beyond |x| = 4.05 the result is 1.
  const V a = at_most(1.0125f, abs(x) * 0.25f);
  const V g = a * polynomial(a, c) + a;
  // 2g is a sum: processors that add beside their products have that for nothing.
  const V half = (g + g) - g * g, y = (half + half) - half * half;
  return from_bits(bits(y) | (bits(x) & static_cast<int32_t>(0x80000000)));
}
#endif

// The same in float64.
NAGARE_INLINE F64 erf(F64 x) {
  constexpr double near[] = {0x1.06eba8214db69p-3,   -0x1.812746b0379e6p-2,  0x1.ce2f21a042ba2p-4,  -0x1.b82ce31287a53p-6,
                             0x1.565bcd0e44143p-8,   -0x1.c02db3f9c0632p-11, 0x1.f9a326408f21bp-14, -0x1.f4d24e138f912p-17,
                             0x1.b9e6053185753p-20,  -0x1.5f6c7eaccceccp-23, 0x1.fc55eccd4b839p-27, -0x1.4f9023ced6409p-30,
                             0x1.8d93eaca49760p-34,  -0x1.8362ad3f69ea5p-38, 0x1.cadc956951265p-43};
  // In |x| − 3.625, the middle of [1.27, 5.98]; nearer to 0 its terms cancel.
  constexpr double far[] = {0x1.e12566437a34cp+3,   0x1.e0838021d10f8p+2,   0x1.eff0bcdea9729p-1,  0x1.3b49ab67d1fbbp-8,
                            -0x1.9ca8d38b3c139p-11, 0x1.111887a66d2e8p-13,  -0x1.6424695806daep-16, 0x1.c110713a920dap-19,
                            -0x1.0cfcfbcd0afb3p-21, 0x1.343307ba431f8p-24,  -0x1.8fcc2e563cea3p-28, 0x1.0b2cf05d74228p-29,
                            -0x1.9e5509ac6ea80p-32, -0x1.d255d84e3aec7p-31, -0x1.2fcb544a53930p-31, -0x1.de989c27464ccp-33,
                            -0x1.c2a4f9b7b7deap-35, -0x1.f5e4cfa2ee51ap-38, -0x1.df973f32c3f0ap-42};
  F64 a = abs(x);
  F64 small = x * polynomial(x * x, near) + x;
  F64 t = (a > 5.98 ? splat(5.98) : a) - 3.625;
  ReducedF64 e = reduce_by_ln2(-polynomial(t, far));
  F64 erfc = (e.r * e.r * exponential_tail(e.r) + e.r + 1.0) * power_of_two(e.exponent);
  F64 large = copy_sign(1.0 - erfc, x);
  return a > 1.28 ? large : small;
}

}  // namespace nagare::NAGARE_ISA
