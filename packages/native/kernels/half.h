// float16 and bfloat16 as 16 stored bits, to float32 and back, rounding to nearest even.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

NAGARE_INLINE float float_of(uint32_t pattern) {
  float x;
  __builtin_memcpy(&x, &pattern, 4);
  return x;
}
NAGARE_INLINE uint32_t pattern_of(float x) {
  uint32_t pattern;
  __builtin_memcpy(&pattern, &x, 4);
  return pattern;
}

NAGARE_INLINE float from_bfloat16(uint16_t h) { return float_of(static_cast<uint32_t>(h) << 16); }
NAGARE_INLINE uint16_t to_bfloat16(float x) {
  const uint32_t u = pattern_of(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(x != x ? 0x7fc0 : rounded);
}

#if defined(__F16C__)
NAGARE_INLINE float from_float16(uint16_t h) { return _cvtsh_ss(h); }
NAGARE_INLINE uint16_t to_float16(float x) { return static_cast<uint16_t>(_cvtss_sh(x, 0)); }
#elif defined(__aarch64__)
NAGARE_INLINE float from_float16(uint16_t h) {
  __fp16 x;
  __builtin_memcpy(&x, &h, 2);
  return x;
}
NAGARE_INLINE uint16_t to_float16(float x) {
  const __fp16 h = static_cast<__fp16>(x);
  uint16_t pattern;
  __builtin_memcpy(&pattern, &h, 2);
  return pattern;
}
#else
NAGARE_INLINE float from_float16(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, rest = static_cast<uint32_t>(h & 0x7fff) << 13;
  // Exponents differ by 112; infinities and NaN keep the largest one; subnormals are multiples of 2⁻²⁴.
  const float normal = float_of(rest + (112u << 23));
  const float subnormal = static_cast<float>(h & 0x7fff) * 0x1p-24f;
  const float special = float_of(rest | 0x7f800000u);
  const float magnitude = (h & 0x7c00) == 0x7c00 ? special : (h & 0x7c00) == 0 ? subnormal : normal;
  return float_of(pattern_of(magnitude) | sign);
}
NAGARE_INLINE uint16_t to_float16(float x) {
  const uint32_t u = pattern_of(x), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
  const uint32_t normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112u << 23)) >> 13;
  // Adding ½ puts the multiple of 2⁻²⁴ into the low bits, rounded by the addition.
  const uint32_t subnormal = pattern_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t h = magnitude < (113u << 23) ? subnormal : normal;
  h = magnitude >= 0x477ff000u ? 0x7c00 : h;
  h = magnitude > 0x7f800000u ? 0x7e00 : h;
  return static_cast<uint16_t>(h | sign);
}
#endif

}  // namespace nagare::NAGARE_ISA
