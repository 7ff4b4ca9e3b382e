// Softmax over rows, its logarithm, and their derivatives.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace nagare {
#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Each works on `rows` rows of n ≥ 1 elements. Memory is read and written once: the other passes over a row find it in the cache. Results
// may lie where operands do. T: float, double.

// y = exp(x − max) / Σ exp(x − max).
template <typename T>
void softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel);

// dx = y·(dy − Σ dy·y).
template <typename T>
void softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel);

// y = x − max − log Σ exp(x − max).
template <typename T>
void log_softmax(const T* x, T* y, int64_t rows, int64_t n, const Parallel& parallel);

// dx = dy − exp(y)·Σ dy.
template <typename T>
void log_softmax_gradient(const T* y, const T* dy, T* dx, int64_t rows, int64_t n, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
