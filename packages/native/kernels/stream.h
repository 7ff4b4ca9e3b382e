// Stores past the caches. An ordinary store reads the line it writes to; for results that no cache would keep that is a third of the
// traffic.
#pragma once

#include "copy_short.h"
#include "lanes.h"

namespace nagare::NAGARE_ISA {

// Where in memory a page lies takes as long to find out as to read from it, and is found out when the page is first touched. For reads
// that come in order the processor does it ahead; where so many bytes on are touched now, for writes too.
constexpr int64_t kPage = 1 << 12, kPagesAhead = 2 * kPage;

// Bytes of a cache line.
constexpr int64_t kLine = 64;

// What is read and written in more bytes than this comes from memory, and not from a cache whose lines the processor brings in time.
constexpr int64_t kCachedBytes = int64_t(8) << 20;

// Touches every page that is written `kPagesAhead` after these bytes.
NAGARE_INLINE void touch_pages_ahead(const void* to, int64_t bytes) {
  const char* const ahead = static_cast<const char*>(to) + kPagesAhead;
  for (int64_t i = 0; i < bytes; i += kPage) __builtin_prefetch(ahead + i, 1);
}

// A vector to memory that is not read soon, at a multiple of its size.
template <typename T>
NAGARE_INLINE void stream(T* p, Vec<T> v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(reinterpret_cast<float*>(p), (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(reinterpret_cast<float*>(p), (__m256)v);
#elif defined(__x86_64__)
  _mm_stream_ps(reinterpret_cast<float*>(p), (__m128)v);
#else
  store(p, v);
#endif
}

// Bytes from there to where a line begins.
NAGARE_INLINE int64_t bytes_to_line(const void* p) { return static_cast<int64_t>(-reinterpret_cast<uintptr_t>(p) % kLine); }

// Copies `bytes` bytes, a multiple of 4, to memory that is not read soon. Lines of which only a part is written go through the cache: past
// it, the part would be merged with the rest in memory, and what writes the rest next finds the line in the cache.
inline void stream_copy(void* to, const void* from, int64_t bytes) {
#if defined(__x86_64__)
  char* y = static_cast<char*>(to);
  const char* x = static_cast<const char*>(from);
  int64_t head = bytes_to_line(y);
  if (head > bytes) head = bytes;
  const int64_t end = head + (bytes - head) / kLine * kLine;
  if (head > 0) copy_short(y, x, head);
  constexpr int lanes = kLanes<float>;
  for (int64_t i = head; i < end; i += kVectorBytes) {
    stream(reinterpret_cast<float*>(y + i), load<float, lanes>(reinterpret_cast<const float*>(x + i)));
  }
  if (end < bytes) copy_short(y + end, x + end, bytes - end);
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
