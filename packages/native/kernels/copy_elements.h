// Copies of contiguous elements.
#pragma once

#include "copy_short.h"
#include "stream.h"

namespace nagare::NAGARE_ISA {

// Bytes from which on it pays to begin stores where a vector does in memory.
constexpr int64_t kLongCopy = 1024;

// Contiguous elements. A loop of our own, because libc's copy (`rep movsb` above some size) takes several times as long on some processors.
template <typename T>
NAGARE_INLINE void copy_elements(const T* x, T* y, int64_t n) {
  constexpr int N = kLanes<T>;
  int64_t i = 0;
  if (n >= kLongCopy / static_cast<int64_t>(sizeof(T))) {
    // The first vector, part of which the next ones cover: stores that lie across lines take twice as long.
    store(y, load(x));
    i = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) % kVectorBytes) / static_cast<int64_t>(sizeof(T));
  }
  for (; i + 4 * N <= n; i += 4 * N) {
    const Vec<T> a = load(x + i), b = load(x + i + N), c = load(x + i + 2 * N), d = load(x + i + 3 * N);
    store(y + i, a);
    store(y + i + N, b);
    store(y + i + 2 * N, c);
    store(y + i + 3 * N, d);
    // Keeps the compiler from making a call to that copy of this loop.
    asm volatile("" ::: "memory");
  }
  for (; i + N <= n; i += N) {
    store(y + i, load(x + i));
    asm volatile("" ::: "memory");
  }
  if (i == n) return;
  if (n >= N) {
    // The last whole vector, part of which is there already.
    store(y + n - N, load(x + n - N));
    return;
  }
  copy_short(reinterpret_cast<char*>(y), reinterpret_cast<const char*>(x), n * static_cast<int64_t>(sizeof(T)));
}

// Rows that are read apart from each other are asked for so many bytes ahead, where they are short: no processor guesses where the next is.
constexpr int64_t kAheadBytes = 2048;

template <typename T>
NAGARE_INLINE void ask_for_row(const T* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLine / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(x + i);
}

}  // namespace nagare::NAGARE_ISA
