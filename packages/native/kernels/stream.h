// Stores past the caches. An ordinary store reads the line it writes to; for results that no cache would keep that is a third of the
// traffic.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

// Copies `bytes` bytes, a multiple of 4, to memory that is not read soon.
inline void stream_copy(void* to, const void* from, int64_t bytes) {
#if defined(__x86_64__)
  if (reinterpret_cast<uintptr_t>(to) % 16 == 0) {
    float* y = static_cast<float*>(to);
    const float* x = static_cast<const float*>(from);
    const int64_t n = bytes / 4;
    int64_t i = 0;
#if defined(__AVX__)
    if (reinterpret_cast<uintptr_t>(to) % 32 == 0) {
      for (; i + 8 <= n; i += 8) _mm256_stream_ps(y + i, _mm256_loadu_ps(x + i));
    }
#endif
    for (; i + 4 <= n; i += 4) _mm_stream_ps(y + i, _mm_loadu_ps(x + i));
    for (; i < n; i++) y[i] = x[i];
    return;
  }
#endif
  __builtin_memcpy(to, from, static_cast<size_t>(bytes));
}

// Makes what was streamed visible before what the thread writes next.
inline void finish_streaming() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace nagare::NAGARE_ISA
