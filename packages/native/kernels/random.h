// Random bits from a counter and a key.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace nagare {
#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Philox 4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// keys: [count, 2]; bits: [count, n]; bits[i, 4·block + j] = word j of philox(counter (block, 0, 0, 0), key i).
void random_bits(const int32_t* keys, int64_t count, int64_t n, int32_t* bits, const Parallel& parallel);

// Words [first, first + n) of one key's.
void random_words(const int32_t* key, int64_t first, int64_t n, int32_t* words);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
