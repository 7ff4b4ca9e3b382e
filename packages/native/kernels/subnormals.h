// Numbers below the least normal one: processors that leave them to microcode take a hundred cycles for each.
#pragma once

#include "simd.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace nagare::NAGARE_ISA {

// While one lives, this thread takes subnormal operands and results for 0, as TensorFlow and XLA do. A matrix with a few of them, such as a
// gradient of gelu far below 0, would otherwise take eight times as long to multiply (1024 × 384 × 1536 on Emerald Rapids); what is lost of a
// sum is less than 2⁻¹²⁶ for each of its products. Elsewhere than on x86 they cost nothing, and count.
// The compiler does not know that arithmetic depends on it: it stands around calls that are not inlined.
class SubnormalsAsZero {
 public:
#if defined(__SSE2__)
  NAGARE_INLINE SubnormalsAsZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushResults | kZeroOperands); }
  NAGARE_INLINE ~SubnormalsAsZero() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushResults = 0x8000, kZeroOperands = 0x0040;
  unsigned before_;
#else
  NAGARE_INLINE SubnormalsAsZero() {}
  NAGARE_INLINE ~SubnormalsAsZero() {}
#endif
 public:
  SubnormalsAsZero(const SubnormalsAsZero&) = delete;
  SubnormalsAsZero& operator=(const SubnormalsAsZero&) = delete;
};

}  // namespace nagare::NAGARE_ISA
