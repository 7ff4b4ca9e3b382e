// sin and cos.
#pragma once

#include "several.h"

namespace nagare::NAGARE_ISA {

NAGARE_INLINE bool any(I64 mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__SSE4_1__)
  return !_mm_testz_si128((__m128i)mask, (__m128i)mask);
#else
  int64_t all = 0;
  for (int i = 0; i < kLanes<int64_t>; i++) all |= mask[i];
  return all != 0;
#endif
}

// x = n·π/2 + high + low, |high| ≤ π/4; quadrant = n mod 4 (in the low bits).
struct QuadrantF64 {
  I64 quadrant;
  F64 high, low;
};

// Beyond this, n no longer fits the bits that the parts of π/2 leave free.
constexpr double kLargestDirectAngle = 1.6e6;

// 128 bits. (The compiler's own type calls a library where the processor has no such product.)
struct Wide {
  uint64_t high, low;
};
NAGARE_INLINE Wide wide_product(uint64_t a, uint64_t b) {
  const uint64_t half = 0xffffffff;
  const uint64_t low = (a & half) * (b & half), first = (a >> 32) * (b & half) + (low >> 32);
  const uint64_t second = (a & half) * (b >> 32) + (first & half);
  return {(a >> 32) * (b >> 32) + (first >> 32) + (second >> 32), second << 32 | (low & half)};
}

// Payne and Hanek: x·2/π modulo 4 from the 192 bits of 2/π that matter at x's exponent. Right for every finite double.
struct Quadrant {
  int64_t quadrant;
  double high, low;
};
inline NAGARE_NOINLINE Quadrant reduce_large_angle(double x) {
  static const uint64_t twoOverPi[] = {
      0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561, 0xb7246e3a424dd2e0,
      0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
      0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b, 0x3d0739f78a5292ea,
      0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};
  uint64_t pattern;
  __builtin_memcpy(&pattern, &x, sizeof x);
  const int biased = static_cast<int>(pattern >> 52) & 2047;
  if (biased == 2047) return {0, __builtin_nan(""), 0};
  const uint64_t mantissa = (pattern & 0x000fffffffffffff) | 0x0010000000000000;
  // The first bit of weight 2 after scaling by x's exponent; bits above it add multiples of 4. The table starts with 64 zeros.
  const int start = biased - 1075 - 2 + 64;
  const int word = start >> 6, shift = start & 63;
  uint64_t w[3];
  for (int i = 0; i < 3; i++) {
    w[i] = twoOverPi[word + i] << shift;
    if (shift) w[i] |= twoOverPi[word + i + 1] >> (64 - shift);
  }
  // mantissa · w modulo 2¹⁹²: the bits above are multiples of 4.
  const Wide low = wide_product(mantissa, w[2]);
  Wide middle = wide_product(mantissa, w[1]);
  middle.low += low.high;
  middle.high += middle.low < low.high;
  const uint64_t top = mantissa * w[0] + middle.high;
  // The nearest multiple of π/2, and what is left of x in units of π/2 · 2⁻¹²⁸: between −½ and ½.
  Wide fraction = {top << 2 | middle.low >> 62, middle.low << 2 | low.low >> 62};
  const bool below = fraction.high >> 63;
  const int64_t quadrant = static_cast<int64_t>(top >> 62) + below;
  if (below) fraction = {~fraction.high + (fraction.low == 0), -fraction.low};
  // Its first 106 bits in two doubles, then times π/2 in two (Dekker's product).
  const int zeros = fraction.high ? __builtin_clzll(fraction.high) : 64;
  if (zeros == 64) fraction = {fraction.low, 0};
  else if (zeros) fraction = {fraction.high << zeros | fraction.low >> (64 - zeros), fraction.low << zeros};
  const double high = static_cast<double>(static_cast<int64_t>(fraction.high >> 11)) * 0x1p-53;
  const double low2 = static_cast<double>(static_cast<int64_t>((fraction.high & 0x7ff) << 42 | fraction.low >> 22)) * 0x1p-106;
  constexpr double piHigh = 0x1.921fb58p+0, piLow = -0x1.dde973dcb3b3ap-27;  // π/2 = piHigh + piLow, piHigh of 26 bits
  const double split = high * 134217729.0;
  const double a = split - (split - high), b = high - a;
  const double product = a * piHigh;
  const double rest = b * piHigh + high * piLow + low2 * 0x1.921fb54442d18p+0;
  const double sum = product + rest;
  const double sumLow = (product - sum) + rest;
  const bool negative = pattern >> 63;
  // ± 2^−zeros
  const uint64_t scalePattern = static_cast<uint64_t>(1023 - zeros) << 52 | static_cast<uint64_t>(negative != below) << 63;
  double scale;
  __builtin_memcpy(&scale, &scalePattern, sizeof scale);
  return {negative ? -quadrant : quadrant, sum * scale, sumLow * scale};
}

NAGARE_INLINE QuadrantF64 reduce_angle(F64 x) {
  const F64 biased = x * 0x1.45f306dc9c883p-1 + 0x1.8p52;
  const F64 n = biased - 0x1.8p52;
  // π/2 in parts of 33 bits and a tail: n has at most 20, so the first two products are exact.
  const F64 a = x - n * 0x1.921fb544p+0;
  const F64 second = n * 0x1.0b4611a6p-34;
  const F64 b = a - second;
  const F64 lost = (a - b) - second;
  const F64 third = n * 0x1.3198a2e037073p-69;
  QuadrantF64 t;
  t.high = b - third;
  t.low = ((b - t.high) - third) + lost;
  t.quadrant = bits(biased);
  const I64 large = ~(abs(x) <= kLargestDirectAngle);
  if (__builtin_expect(any(large), 0)) {
    for (int i = 0; i < kLanes<double>; i++) {
      if (!large[i]) continue;
      const Quadrant q = reduce_large_angle(x[i]);
      t.quadrant[i] = q.quadrant;
      t.high[i] = q.high;
      t.low[i] = q.low;
    }
  }
  return t;
}

// sin and cos of high + low, |high| ≤ π/4 (the arrangement of fdlibm's kernels: the tail enters to first order).
NAGARE_INLINE F64 sine_kernel(F64 x, F64 low) {
  constexpr double c[] = {0x1.111111110f882p-7, -0x1.a01a019c1269bp-13, 0x1.71de35785055dp-19, -0x1.ae5e66a422722p-26,
                          0x1.5d931c6675c87p-33};
  const F64 z = x * x, cube = z * x;
  return x - ((z * (0.5 * low - cube * polynomial(z, c)) - low) - cube * -0x1.5555555555549p-3);
}
NAGARE_INLINE F64 cosine_kernel(F64 x, F64 low) {
  constexpr double c[] = {0x1.555555555554cp-5,  -0x1.6c16c16c151b4p-10, 0x1.a01a019cb65f2p-16,
                          -0x1.27e4f80ce9c37p-22, 0x1.1ee9edbd359fdp-29,  -0x1.8faf7a9f3ba95p-37};
  const F64 z = x * x, half = 0.5 * z, w = 1.0 - half;
  return w + (((1.0 - w) - half) + (z * z * polynomial(z, c) - x * low));
}

// sin x = sin, cos, −sin, −cos of the remainder in quadrants 0…3; cos x is one quadrant ahead.
NAGARE_INLINE F64 in_quadrant(F64 sine, F64 cosine, I64 quadrant) {
  const F64 y = (quadrant & 1) != 0 ? cosine : sine;
  return from_bits(bits(y) ^ reinterpret_cast<I64>(reinterpret_cast<U64>(quadrant & 2) << 62));
}

NAGARE_INLINE F64 sin(F64 x) {
  const QuadrantF64 t = reduce_angle(x);
  const F64 y = in_quadrant(sine_kernel(t.high, t.low), cosine_kernel(t.high, t.low), t.quadrant);
  return x == 0.0 ? x : y;
}
NAGARE_INLINE F64 cos(F64 x) {
  const QuadrantF64 t = reduce_angle(x);
  return in_quadrant(sine_kernel(t.high, t.low), cosine_kernel(t.high, t.low), t.quadrant + 1);
}

// The same with the fewer terms that float32 needs: relative error 2⁻²⁸.
NAGARE_INLINE F64 sine_for_f32(F64 x, int64_t quadrants) {
  constexpr double s[] = {-0x1.55554598f1148p-3, 0x1.11075fe96d49dp-7, -0x1.994e83114dd1ap-13};
  constexpr double c[] = {0x1.55554ab5d2d6ap-5, -0x1.6c0c8c7144affp-10, 0x1.9a027a1a3d23ep-16};
  const QuadrantF64 t = reduce_angle(x);
  const F64 z = t.high * t.high;
  const F64 sine = t.high * z * polynomial(z, s) + t.high;
  const F64 cosine = z * z * polynomial(z, c) + (1.0 - 0.5 * z);
  return in_quadrant(sine, cosine, t.quadrant + quadrants);
}

NAGARE_INLINE F32 through_f64(F32 x, F64 (*f)(F64)) {
  const F64 low = __builtin_convertvector(low_half<float>(x), F64), high = __builtin_convertvector(high_half<float>(x), F64);
  return join<float>(__builtin_convertvector(f(low), HalfVec<float>), __builtin_convertvector(f(high), HalfVec<float>));
}

inline NAGARE_NOINLINE F32 sin_far(F32 x) {
  const F32 y = through_f64(x, [](F64 v) { return sine_for_f32(v, 0); });
  return x == 0.0f ? x : y;
}
inline NAGARE_NOINLINE F32 cos_far(F32 x) {
  return through_f64(x, [](F64 v) { return sine_for_f32(v, 1); });
}

#if NAGARE_FMA
// Up to here three parts of π leave the remainder of every float32 enough digits.
constexpr float kLargestNearAngle = 0x1p15f;
constexpr float kRoundToWhole = 0x1.8p23f;

// sin(x − n·π), where that is at most π/2. The first product takes nothing from the digits of the difference: both are multiples of
// the last digit of x, or of π.
template <typename V>
NAGARE_INLINE V sine_beside(V x, V n) {
  constexpr float c[] = {-0x1.555554p-3f, 0x1.111046p-7f, -0x1.9fb4b8p-13f, 0x1.6181e2p-19f};
  const V zero{};
  const V first = fused(n, zero - 0x1.921fb6p+1f, x), second = fused(n, zero + 0x1.777a5cp-24f, first);
  const V r = fused(n, zero + 0x1.ee59dap-49f, second), z = r * r;
  // Rounding takes it beyond 1.
  return at_most(1.0f, at_least(-1.0f, r * z * polynomial(z, c) + r));
}
#endif

template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V sin(V x) {
#if NAGARE_FMA
  if (__builtin_expect(!any(abs(x) > kLargestNearAngle), 1)) {
    const V biased = x * 0x1.45f306p-2f + kRoundToWhole;
    const V y = sine_beside(x, biased - kRoundToWhole);
    return choose(x == 0.0f, x, from_bits(bits(y) ^ (bits(biased) << 31)));
  }
#endif
  return one_by_one(x, sin_far);
}
// In the middle between two multiples of π.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V cos(V x) {
#if NAGARE_FMA
  if (__builtin_expect(!any(abs(x) > kLargestNearAngle), 1)) {
    const V biased = (x * 0x1.45f306p-2f - 0.5f) + kRoundToWhole;
    const V y = -sine_beside(x, (biased - kRoundToWhole) + 0.5f);
    return from_bits(bits(y) ^ (bits(biased) << 31));
  }
#endif
  return one_by_one(x, cos_far);
}

}  // namespace nagare::NAGARE_ISA
