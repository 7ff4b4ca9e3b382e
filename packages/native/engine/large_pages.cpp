#include "large_pages.h"

#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace nagare {

void prefer_large_pages(void* memory, size_t bytes) {
#if defined(__linux__)
  if (bytes < kLargePage) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kLargePage - 1) & ~(kLargePage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) & ~(kLargePage - 1);
  if (end <= begin) return;
  // A system without large pages refuses, which changes nothing. Memory that was used before has small pages: it gives them up.
  if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE) == 0) {
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
#else
  (void)memory;
  (void)bytes;
#endif
}

}  // namespace nagare
