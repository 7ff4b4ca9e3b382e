// exp, log and what follows from them: expm1, log1p, tanh, sigmoid.
// Polynomials are minimax (Remez exchange, 200-bit arithmetic) for the intervals named beside them.
#pragma once

#include "several.h"

namespace nagare::NAGARE_ISA {

constexpr float kLog2eF32 = 0x1.715476p+0f;
constexpr double kLog2e = 0x1.71547652b82fep+0;
constexpr float kLn2F32 = 0x1.62e43p-1f;
// ln 2 in two parts; the first has trailing zeros enough that its product with an exponent is exact.
constexpr float kLn2HighF32 = 0x1.62e4p-1f, kLn2LowF32 = 0x1.7f7d1cp-20f;
constexpr double kLn2High = 0x1.62e42fefa3p-1, kLn2Low = 0x1.3de6af278ece6p-42;
// Adding 1.5·2^(mantissa bits) rounds to an integer, which then stands in the low bits; of a float, biased as exponents are.
constexpr float kRoundF32 = 0x1.8p23f + 127;
constexpr double kRound = 0x1.8p52;
constexpr float kInfinityF32 = __builtin_inff();
constexpr double kInfinity = __builtin_inf();

// x = n·ln 2 + r, |r| ≤ ln 2 / 2; scale is 2ⁿ for n in the normal range.
// V is a vector of float32, or several.
template <typename V>
struct ReducedF32 {
  V n, r, scale;
};
struct ReducedF64 {
  F64 n, r;
  I64 exponent;
};

template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE ReducedF32<V> reduce_by_ln2(V x) {
  const V biased = x * kLog2eF32 + kRoundF32;
  const V n = biased - kRoundF32;
  const V r = x - n * kLn2HighF32;
  return {n, r - n * kLn2LowF32, from_bits(bits(biased) << 23)};
}
NAGARE_INLINE ReducedF64 reduce_by_ln2(F64 x) {
  F64 biased = x * kLog2e + kRound;
  F64 n = biased - kRound;
  F64 r = x - n * kLn2High;
  r = r - n * kLn2Low;
  return {n, r, bits(biased) - 0x4338000000000000};
}

// 2^n for n in the normal range. Unsigned, whose overflow wraps: for NaN, n is anything.
template <typename I, typename V = decltype(from_bits(I{}))>
NAGARE_INLINE V power_of_two(I n) {
  return from_bits(wrapping_sum(n, 127) << 23);
}
NAGARE_INLINE F64 power_of_two(I64 n) { return from_bits(reinterpret_cast<I64>((reinterpret_cast<U64>(n) + 1023) << 52)); }

// p·2^n in two factors, so that subnormal results round once and 2^1024 is reached.
NAGARE_INLINE F64 times_power_of_two(F64 p, I64 n) {
  // A logical shift of a biased value: 64-bit arithmetic shifts are slow before AVX-512.
  const U64 half = ((reinterpret_cast<U64>(n) + 2048) >> 1) - 1024;
  return p * power_of_two(reinterpret_cast<I64>(half)) * power_of_two(reinterpret_cast<I64>(reinterpret_cast<U64>(n) - half));
}

// (exp(r) − 1 − r) / r², |r| ≤ ln 2 / 2. Relative error of r²·P beside r: 2⁻²⁶ (f32), 2⁻⁶¹ (f64).
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V exponential_tail(V r) {
  constexpr float c[] = {0x1p-1f, 0x1.5554bp-3f, 0x1.555486p-5f, 0x1.12281cp-7f, 0x1.6d9932p-10f};
  return polynomial(r, c);
}
NAGARE_INLINE F64 exponential_tail(F64 r) {
  constexpr double c[] = {0x1p-1,
                          0x1.5555555555559p-3,
                          0x1.555555555555ap-5,
                          0x1.111111110f6abp-7,
                          0x1.6c16c16c1445bp-10,
                          0x1.a01a01afe8689p-13,
                          0x1.a01a01b0b5c15p-16,
                          0x1.71ddf84779300p-19,
                          0x1.27e4c5a0a6b63p-22,
                          0x1.af5eda2c1a744p-26,
                          0x1.1f9566e17ad76p-29};
  return polynomial(r, c);
}

template <typename V>
NAGARE_INLINE V exponential(V r) { return r * r * exponential_tail(r) + r + 1.0f; }

// eˣ where |x| may exceed 87: the scale 2ⁿ is applied in two factors, so that subnormal results round once and 2¹²⁸ is reached.
inline NAGARE_NOINLINE F32 exp_far(F32 x) {
  const ReducedF32<F32> t = reduce_by_ln2(at_most(89.0f, at_least(-104.0f, x)));
  const I32 n = to_integer(t.n), half = n >> 1;
  return exponential(t.r) * power_of_two(half) * power_of_two(n - half);
}

// eˣ.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V exp(V x) {
  if (__builtin_expect(any(abs(x) > 87.0f), 0)) return one_by_one(x, exp_far);
  const ReducedF32<V> t = reduce_by_ln2(x);
  return exponential(t.r) * t.scale;
}
// The same for x ≤ 0 in a sum that e⁰ is part of: results below 2⁻¹²⁵ may be 0.
#if NAGARE_TABLES
// 2^(j/16) of a table leaves a remainder for which three terms are enough.
NAGARE_INLINE F32 exp_nonpositive(F32 x) {
  // The bits of 2^(j/16) less j·2¹⁹: n, of which j are the last four bits, is added where exponents begin after them.
  static constexpr uint32_t powers[16] = {0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532, 0x3f75fed7, 0x3f75583f,
                                         0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c, 0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d};
  // Rounded to a sixteenth. One part of ln 2 is enough: what its product lacks is at most 2⁻²² of the result.
  const F32 biased = x * kLog2eF32 + 0x1.8p19f;
  const F32 r = x - (biased - 0x1.8p19f) * kLn2F32;
  const I32 n = bits(biased);
  const F32 power = reinterpret_cast<F32>(look_up(powers, n) + (reinterpret_cast<U32>(n) << 19));
  // (exp(r) − 1) / r, |r| ≤ ln 2 / 32, to 2⁻²⁹.
  const F32 over = (r * 0x1.5555a8p-3f + 0x1.00021ep-1f) * r + 1.0f;
  return x < -87.0f ? F32{} : power * (over * r) + power;
}
template <int N>
NAGARE_INLINE Several<float, N> exp_nonpositive(Several<float, N> x) {
  return each<float, N>([&](int i) __attribute__((always_inline)) { return exp_nonpositive(x.v[i]); });
}
#else
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V exp_nonpositive(V x) {
  // One part of ln 2 is enough here too, and a sum of terms in order, in which 1 + r is rounded twice.
  constexpr float c[] = {1.0f, 1.0f, 0x1p-1f, 0x1.5554bp-3f, 0x1.555486p-5f, 0x1.12281cp-7f, 0x1.6d9932p-10f};
  // e⁻⁸⁸·⁰³ is 2⁻¹²⁷, of which there are no bits.
  const V least = at_least(-88.03f, x), biased = least * kLog2eF32 + kRoundF32;
  const V r = least - (biased - kRoundF32) * kLn2F32;
  return polynomial(r, c) * from_bits(bits(biased) << 23);
}
#endif
NAGARE_INLINE F64 exp(F64 x) {
  x = x < -746.0 ? splat(-746.0) : x;
  x = x > 710.0 ? splat(710.0) : x;
  ReducedF64 t = reduce_by_ln2(x);
  F64 p = t.r * t.r * exponential_tail(t.r) + t.r + 1.0;
  return times_power_of_two(p, t.exponent);
}

NAGARE_INLINE F64 exp_nonpositive(F64 x) { return exp(x); }
template <int N>
NAGARE_INLINE Several<double, N> exp_nonpositive(Several<double, N> x) {
  return each<double, N>([&](int i) __attribute__((always_inline)) { return exp(x.v[i]); });
}

// eˣ − 1 = 2ⁿ·(eʳ − 1) + (2ⁿ − 1), at half scale so that 2^128 (2^1024) is reached.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V expm1(V x) {
  const ReducedF32<V> t = reduce_by_ln2(at_most(89.0f, at_least(-26.0f, x)));
  const V em1 = t.r * t.r * exponential_tail(t.r) + t.r;
  const V half = from_bits(bits(t.scale) - (1 << 23));
  const V y = 2.0f * (em1 * half + (half - 0.5f));
  return choose(x == 0.0f, x, choose(t.n == 0.0f, em1, y));
}
NAGARE_INLINE F64 expm1(F64 x) {
  F64 c = x < -50.0 ? splat(-50.0) : x;
  c = c > 710.0 ? splat(710.0) : c;
  ReducedF64 t = reduce_by_ln2(c);
  F64 em1 = t.r * t.r * exponential_tail(t.r) + t.r;
  F64 half = power_of_two(t.exponent - 1);
  F64 y = 2.0 * (em1 * half + (half - 0.5));
  y = t.exponent == 0 ? em1 : y;
  return x == 0.0 ? x : y;
}

// a·b + c of a c that is a product itself: left alone, the compiler contracts one of the two, not in every loop the same.
template <typename V>
NAGARE_INLINE V sum_of_products(V a, float b, V c) {
#if NAGARE_FMA
  return fused(a, V{} + b, c);
#else
  return a * b + c;
#endif
}

// log(1 + f) − f, f in [−1/3, 1/3].
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V logarithm_tail(V f) {
  constexpr float c[] = {-0x1p-1f,        0x1.555502p-2f,  -0x1.fffd6ep-3f, 0x1.99d1f6p-3f, -0x1.55ccd4p-3f,
                         0x1.1ebe42p-3f, -0x1.eebd4ap-4f, 0x1.1ed1d2p-3f,  -0x1.1097bcp-3f};
  return f * f * polynomial(f, c);
}
// The same with s = f / (2 + f): log(1 + f) = 2s + s³·R(s²) = f − s·(f − s²·R(s²)).
NAGARE_INLINE F64 logarithm_tail(F64 f) {
  constexpr double c[] = {0x1.555555555554fp-1, 0x1.999999999c160p-2, 0x1.24924921e4fcbp-2, 0x1.c71c748f8cae1p-3,
                          0x1.745c4ad7d7d0fp-3, 0x1.3b35c2ac88cbcp-3, 0x1.0dcb64c131519p-3, 0x1.1b8339f7350c5p-3};
  F64 s = f / (f + 2.0);
  F64 z = s * s;
  F64 half = 0.5 * f * f;
  // f − (f²/2 − s·(f²/2 + z·R)): what is subtracted is small beside f.
  return s * (half + z * polynomial(z, c)) - half;
}

// x = 2ⁿ·m, m in [2/3, 4/3), for positive normal x.
template <typename V>
struct SplitF32 {
  V n, m;
  IntegersOf<V> exponent;
};
struct SplitF64 {
  F64 n, m;
  I64 exponent;
};
template <typename V>
NAGARE_INLINE SplitF32<V> split(V x) {
  // Callers split what they replace later, negative numbers and NaN.
  const auto shifted = wrapping_sum(bits(x), -0x3f2aaaabu);
  const auto exponent = shifted >> 23;
  return {to_float(exponent), from_bits((shifted & 0x007fffff) + 0x3f2aaaab), exponent};
}
NAGARE_INLINE SplitF64 split(F64 x) {
  // Biased by 1024 so that the shift may be logical; 2^52 + n as bits is n as a number.
  U64 shifted = reinterpret_cast<U64>(bits(x)) - 0x3fe5555555555555u + (1024ull << 52);
  U64 biased = shifted >> 52;
  F64 n = reinterpret_cast<F64>(biased | 0x4330000000000000u) - (0x1p52 + 1024.0);
  F64 m = reinterpret_cast<F64>((shifted & 0x000fffffffffffffu) + 0x3fe5555555555555u);
  return {n, m, reinterpret_cast<I64>(biased) - 1024};
}

// ln x of x, positive and normal, times 2^shift.
template <typename V>
NAGARE_INLINE V log_normal(V x, V shift) {
  const SplitF32<V> t = split(x);
  const V n = t.n + shift, f = t.m - 1.0f;
  return n * kLn2HighF32 + (f + sum_of_products(n, kLn2LowF32, logarithm_tail(f)));
}
inline NAGARE_NOINLINE F32 log_any(F32 x) {
  const auto tiny = x < 0x1p-126f;
  F32 y = log_normal(choose(tiny, x * 0x1p23f, x), choose(tiny, -23.0f, F32{}));
  y = choose(x == kInfinityF32, x, y);
  y = choose(x == 0.0f, -kInfinityF32, y);
  return choose(x < 0.0f, __builtin_nanf(""), choose(x != x, x, y));
}
// ln x. Zero gives −∞, negative numbers NaN.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V log(V x) {
  // The bits of positive normal numbers are those from 2²³ to 255·2²³ − 1: neither of these is negative.
  const auto above = wrapping_sum(bits(x), -0x00800000u), below = wrapping_sum(bits(x), 0x00800000u);
  if (__builtin_expect(any((above | below) >> 31), 0)) return one_by_one(x, log_any);
  return log_normal(x, V{});
}
NAGARE_INLINE F64 log(F64 x) {
  I64 tiny = x < 0x1p-1022;
  SplitF64 t = split(tiny ? x * 0x1p54 : x);
  F64 n = tiny ? t.n - 54.0 : t.n;
  F64 f = t.m - 1.0;
  F64 y = n * kLn2High + (f + (n * kLn2Low + logarithm_tail(f)));
  y = x == kInfinity ? x : y;
  y = x == 0.0 ? splat(-kInfinity) : y;
  return x < 0.0 ? splat(__builtin_nan("")) : (x != x ? x : y);
}

// ln(1 + x): the rounding error of u = 1 + x is carried into the mantissa of u, where it still matters.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V log1p(V x) {
  const V u = x + 1.0f;
  const V error = choose(x < 1.0f, x - (u - 1.0f), 1.0f - (u - x));
  const SplitF32<V> t = split(u);
  const auto exponent = choose(u > 0x1p100f, 100, t.exponent);
  const V f = (t.m - 1.0f) + error * power_of_two(-exponent);
  V y = t.n * kLn2HighF32 + (f + sum_of_products(t.n, kLn2LowF32, logarithm_tail(f)));
  y = choose(x == kInfinityF32, x, y);
  y = choose(x == -1.0f, -kInfinityF32, y);
  y = choose(x == 0.0f, x, y);
  return choose(x < -1.0f, __builtin_nanf(""), choose(x != x, x, y));
}
NAGARE_INLINE F64 log1p(F64 x) {
  F64 u = x + 1.0;
  F64 error = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
  SplitF64 t = split(u);
  I64 exponent = t.exponent > 1000 ? I64{} + 1000 : t.exponent;
  F64 f = (t.m - 1.0) + error * power_of_two(-exponent);
  F64 y = t.n * kLn2High + (f + (t.n * kLn2Low + logarithm_tail(f)));
  y = x == kInfinity ? x : y;
  y = x == -1.0 ? splat(-kInfinity) : y;
  y = x == 0.0 ? x : y;
  return x < -1.0 ? splat(__builtin_nan("")) : (x != x ? x : y);
}

// tanh x = t / (t + 2), t = e²ˣ − 1 = 2ⁿ·(eʳ − 1) − (1 − 2ⁿ).
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V tanh(V x) {
  const V a = at_most(10.0f, at_least(-10.0f, x));
  // One part of ln 2 is enough: what n·ln 2 lacks, at most 4·10⁻⁷, counts the less the nearer the result is to ±1.
  const V biased = a * (2 * kLog2eF32) + kRoundF32;
  const V r = (a + a) - (biased - kRoundF32) * kLn2F32;
  const V scale = from_bits(bits(biased) << 23);
  const V t = (r * r * exponential_tail(r) + r) * scale - (1.0f - scale);
  return t / (t + 2.0f);
}
NAGARE_INLINE F64 tanh(F64 x) {
  F64 a = abs(x);
  F64 clamped = a > 22.0 ? splat(22.0) : a;
  F64 e = expm1(clamped + clamped);
  F64 y = a > 1.0 ? 1.0 - 2.0 / (e + 2.0) : e / (e + 2.0);
  return copy_sign(y, x);
}

// 1 / (1 + e⁻ˣ). Below −87 that is eˣ, which may be subnormal.
template <typename V, typename = IntegersOf<V>>
NAGARE_INLINE V sigmoid(V x) {
  if (__builtin_expect(any(abs(x) > 87.0f), 0)) {
    return one_by_one(x, [](F32 v) {
      const F32 e = exp(-abs(v));
      return choose(v < 0.0f, e, 1.0f + F32{}) / (e + 1.0f);
    });
  }
  const ReducedF32<V> t = reduce_by_ln2(-x);
  return 1.0f / (exponential(t.r) * t.scale + 1.0f);
}
// The same from e^(−|x|), so that neither side loses digits.
NAGARE_INLINE F64 sigmoid(F64 x) {
  const F64 e = exp(-abs(x));
  return (x >= 0 ? e * 0 + 1 : e) / (e + 1);
}

}  // namespace nagare::NAGARE_ISA
