// What the processor can do at best: the work that measures its peaks.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace nagare {
#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// `rounds` of as many independent float32 multiplications and additions as keep the units busy. Returns the operations done;
// `sink` receives a value that depends on all of them.
int64_t arithmetic_probe(int64_t rounds, float* sink);

// y = x, with stores that leave out the caches where the instruction set has such (`bypass`) or with plain ones: which is faster
// depends on the machine. x and y are aligned to vectors, and `bytes` is a multiple of 4096.
void copy_probe(const char* x, char* y, int64_t bytes, bool bypass, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
