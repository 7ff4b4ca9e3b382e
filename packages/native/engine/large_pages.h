// Large pages for large memory.
#pragma once

#include <cstddef>

namespace nagare {

// A multiple of the large pages of every system in use.
constexpr size_t kLargePage = size_t(2) << 20;

// Asks the system to back memory that is about to be filled with large pages, where it is large enough to gain from them. What the memory
// holds is lost. A fault for each 4 KiB costs three times what filling them does, and a processor looks small pages up more often.
void prefer_large_pages(void* memory, size_t bytes);

}  // namespace nagare
