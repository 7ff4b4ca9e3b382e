// x^y with IEEE 754's special cases: x⁰ = 1 and 1^y = 1 even for NaN; negative x only with whole y.
#pragma once

#include "math_exponential.h"
#include "math_trigonometric.h"

namespace nagare::NAGARE_ISA {

// a·b = high + low exactly.
struct PairF64 {
  F64 high, low;
};
NAGARE_INLINE PairF64 two_product(F64 a, F64 b) {
  const F64 p = a * b;
#if NAGARE_FMA
  return {p, fused(a, b, -p)};
#else
  // Dekker: halves of 26 bits, whose products are exact.
  const F64 sa = a * 134217729.0, sb = b * 134217729.0;
  const F64 ah = sa - (sa - a), bh = sb - (sb - b);
  const F64 al = a - ah, bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}
// a + b = high + low exactly, for |a| ≥ |b|.
NAGARE_INLINE PairF64 fast_two_sum(F64 a, F64 b) {
  const F64 s = a + b;
  return {s, b - (s - a)};
}
NAGARE_INLINE PairF64 two_sum(F64 a, F64 b) {
  const F64 s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}

// ln a in two doubles, a > 0 and finite: an error of 2⁻⁵³ in it would become up to 700 ulp of the power.
NAGARE_INLINE PairF64 precise_log(F64 a) {
  constexpr double c[] = {0x1.9999999999994p-2, 0x1.2492492494512p-2, 0x1.c71c71c21798cp-3, 0x1.745d19fa3574bp-3,
                          0x1.3b12ea41f955dp-3, 0x1.1131d2563771fp-3, 0x1.dbb3be6061f2ap-4, 0x1.fdf27a39f2651p-4};
  const I64 tiny = a < 0x1p-1022;
  const SplitF64 t = split(tiny ? a * 0x1p54 : a);
  const F64 n = tiny ? t.n - 54.0 : t.n;
  // s = f / (2 + f) = sh + sl; ln m = 2s + ⅔s³ + s⁵·(⅖ + …), where only the first two terms need both parts.
  const F64 f = t.m - 1.0;
  const F64 d = t.m + 1.0, dl = t.m - (d - 1.0);
  const F64 sh = f / d;
  const PairF64 back = two_product(sh, d);
  const F64 sl = (((f - back.high) - back.low) - sh * dl) / d;
  PairF64 z = two_product(sh, sh);
  z.low += 2.0 * sh * sl;
  PairF64 cube = two_product(z.high, sh);
  cube.low += z.high * sl + z.low * sh;
  PairF64 third = two_product(cube.high, splat(0x1.5555555555555p-1));
  third.low += cube.high * 0x1.5555555555555p-55 + cube.low * 0x1.5555555555555p-1;
  const F64 rest = cube.high * z.high * polynomial(z.high, c);
  // Largest first: n·ln 2, 2s, ⅔s³.
  const PairF64 first = two_sum(n * kLn2High, 2.0 * sh);
  const PairF64 second = two_sum(first.high, third.high);
  const F64 low = first.low + second.low + (n * kLn2Low + (2.0 * sl + (third.low + rest)));
  return fast_two_sum(second.high, low);
}

// The signs and the cases that the logarithm cannot see, given |x|^y.
template <typename V>
NAGARE_INLINE V finish_power(V x, V y, V magnitude) {
  const V one = V{} + 1;
  const auto whole = trunc(y) == y;
  const auto odd = whole & (trunc(y / 2) * 2 != y);
  // Odd powers take the sign of x, −0 included.
  V result = odd ? copy_sign(magnitude, x) : magnitude;
  result = ((x < 0) & ~whole & (abs(x) != abs(x) * 2)) ? one * __builtin_nan("") : result;
  result = ((x != x) | (y != y)) ? x + y : result;
  return ((x == 1) | (y == 0)) ? one : result;
}

NAGARE_INLINE F64 pow(F64 x, F64 y) {
  const F64 a = abs(x);
  const PairF64 l = precise_log(a);
  // Beyond ±1e6 the logarithm decides overflow anyhow, and two_product must not meet infinities.
  F64 clamped = y > 0x1p70 ? splat(0x1p70) : y;
  clamped = clamped < -0x1p70 ? splat(-0x1p70) : clamped;
  PairF64 e = two_product(clamped, l.high);
  e.low += clamped * l.low;
  F64 exponent = e.high < -746.0 ? splat(-746.0) : e.high;
  exponent = exponent > 710.0 ? splat(710.0) : exponent;
  ReducedF64 t = reduce_by_ln2(exponent);
  t.r += exponent == e.high ? e.low : F64{};
  const F64 p = t.r * t.r * exponential_tail(t.r) + t.r + 1.0;
  F64 magnitude = times_power_of_two(p, t.exponent);
  magnitude = a == 1.0 ? splat(1.0) : magnitude;
  const F64 zero{}, infinity = splat(kInfinity);
  magnitude = a == 0.0 ? (y < 0.0 ? infinity : zero) : magnitude;
  magnitude = a == kInfinity ? (y < 0.0 ? zero : infinity) : magnitude;
  return finish_power(x, y, magnitude);
}

// |x|^y of float32 operands in float64: 2⁻³⁵ of relative error in the logarithm is less than 0.1 ulp of the power.
NAGARE_INLINE F64 power_magnitude_for_f32(F64 a, F64 y) {
  constexpr double l[] = {0x1.5555542059356p-1, 0x1.999bded5d7b82p-2, 0x1.23e8fc651fdd1p-2, 0x1.eda0688093790p-3};
  constexpr double e[] = {0x1p-1, 0x1.555556p-3, 0x1.5554aep-5, 0x1.11109p-7, 0x1.6d748cp-10, 0x1.a1a15ep-13};
  const SplitF64 t = split(a);
  const F64 s = (t.m - 1.0) / (t.m + 1.0), z = s * s;
  const F64 logarithm = t.n * 0x1.62e42fefa39efp-1 + (s * z * polynomial(z, l) + (s + s));
  F64 exponent = logarithm * y;
  exponent = exponent < -200.0 ? splat(-200.0) : exponent;
  exponent = exponent > 200.0 ? splat(200.0) : exponent;
  const ReducedF64 r = reduce_by_ln2(exponent);
  F64 magnitude = (r.r * r.r * polynomial(r.r, e) + r.r + 1.0) * power_of_two(r.exponent);
  const F64 zero{}, infinity = splat(kInfinity);
  magnitude = a == 1.0 ? splat(1.0) : magnitude;
  magnitude = a == 0.0 ? (y < 0.0 ? infinity : zero) : magnitude;
  return a == kInfinity ? (y < 0.0 ? zero : infinity) : magnitude;
}

NAGARE_INLINE F32 pow(F32 x, F32 y) {
  const F32 a = abs(x);
  const F64 low = power_magnitude_for_f32(__builtin_convertvector(low_half<float>(a), F64), __builtin_convertvector(low_half<float>(y), F64));
  const F64 high = power_magnitude_for_f32(__builtin_convertvector(high_half<float>(a), F64), __builtin_convertvector(high_half<float>(y), F64));
  return finish_power(x, y, join<float>(__builtin_convertvector(low, HalfVec<float>), __builtin_convertvector(high, HalfVec<float>)));
}

}  // namespace nagare::NAGARE_ISA
