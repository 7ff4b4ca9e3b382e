// Memory on cache-line boundaries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace nagare {

constexpr size_t kAlignment = 64;

constexpr size_t align_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// At least `bytes` bytes, never null; freed with std::free. Throws std::bad_alloc.
inline void* allocate_aligned(size_t bytes) {
  // Rounded up, a size near the largest would be a small one.
  if (bytes > static_cast<size_t>(PTRDIFF_MAX) - kAlignment) throw std::bad_alloc();
  void* memory = std::aligned_alloc(kAlignment, bytes ? align_up(bytes) : kAlignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace nagare
