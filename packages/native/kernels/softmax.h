// Softmax over rows, and its derivative.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace nagare {
#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// y = exp(x − max) / Σ exp(x − max) for each of `rows` rows of n elements. y may be x. Memory is read and written once: the other passes
// over a row find it in the cache. T: float, double.
template <typename T>
void softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel);

// dx = y·(dy − Σ dy·y), row by row. dx may be y or dy.
template <typename T>
void softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
