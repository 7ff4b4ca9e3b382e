// Stores past the caches. An ordinary store reads the line it writes to; for results that no cache would keep that is a third of the
// traffic.
#pragma once

#include "lanes.h"

namespace nagare::NAGARE_ISA {

// Bytes of a cache line.
constexpr int64_t kLine = 64;

// Less than a line.
NAGARE_INLINE void copy_part(char* y, const char* x, int64_t bytes) {
  int64_t i = 0;
  for (; i + 16 <= bytes; i += 16) __builtin_memcpy(y + i, x + i, 16);
  for (; i < bytes; i += 4) __builtin_memcpy(y + i, x + i, 4);
}

// Copies `bytes` bytes, a multiple of 4, to memory that is not read soon. Lines of which only a part is written go through the cache: past
// it, the part would be merged with the rest in memory, and what writes the rest next finds the line in the cache.
inline void stream_copy(void* to, const void* from, int64_t bytes) {
#if defined(__x86_64__)
  char* y = static_cast<char*>(to);
  const char* x = static_cast<const char*>(from);
  int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) % kLine);
  if (head > bytes) head = bytes;
  const int64_t end = head + (bytes - head) / kLine * kLine;
  copy_part(y, x, head);
  for (int64_t i = head; i < end; i += kLine) {
#if defined(__AVX512F__)
    _mm512_stream_ps(reinterpret_cast<float*>(y + i), _mm512_loadu_ps(x + i));
#elif defined(__AVX__)
    for (int64_t k = 0; k < kLine; k += 32)
      _mm256_stream_ps(reinterpret_cast<float*>(y + i + k), _mm256_loadu_ps(reinterpret_cast<const float*>(x + i + k)));
#else
    for (int64_t k = 0; k < kLine; k += 16)
      _mm_stream_ps(reinterpret_cast<float*>(y + i + k), _mm_loadu_ps(reinterpret_cast<const float*>(x + i + k)));
#endif
  }
  copy_part(y + end, x + end, bytes - end);
#else
  __builtin_memcpy(to, from, static_cast<size_t>(bytes));
#endif
}

// Makes what was streamed visible before what the thread writes next.
inline void finish_streaming() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace nagare::NAGARE_ISA
