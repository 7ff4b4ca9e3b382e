// Memory on cache-line boundaries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "large_pages.h"

namespace nagare {

constexpr size_t kAlignment = 64;

constexpr size_t align_up(size_t bytes, size_t alignment = kAlignment) { return (bytes + alignment - 1) / alignment * alignment; }

// At least `bytes` bytes, never null; in large pages where they fill more than half of one. Freed with std::free. Throws std::bad_alloc.
inline void* allocate_aligned(size_t bytes) {
  // Rounded up, a size near the largest would be a small one.
  if (bytes > static_cast<size_t>(PTRDIFF_MAX) - kLargePage) throw std::bad_alloc();
  const size_t alignment = bytes > kLargePage / 2 ? kLargePage : kAlignment;
  const size_t rounded = align_up(bytes ? bytes : 1, alignment);
  void* memory = std::aligned_alloc(alignment, rounded);
  if (!memory) throw std::bad_alloc();
  prefer_large_pages(memory, rounded);
  return memory;
}

}  // namespace nagare
