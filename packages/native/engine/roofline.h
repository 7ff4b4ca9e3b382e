// The peaks of this machine, measured with the instruction set and the threads in use.
#pragma once

#include "../kernels/kernels.h"

namespace nagare {

// Operations and bytes a second; a byte that is copied counts twice, read and written.
struct Roofline {
  double flopsOneThread, flops;
  double bytesOneThread, bytes;
};

// Takes some tenths of a second and 256 MiB. Throws std::bad_alloc without them.
Roofline measure_roofline(const Kernels& kernels, const Parallel& parallel);

}  // namespace nagare
