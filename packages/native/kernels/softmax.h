// Softmax along an axis, its logarithm, and their derivatives.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace nagare {

// Elements before, along and behind the axis.
struct SoftmaxParams {
  int64_t outer, n, inner;
};

// The most elements along an axis that is not the last: those of some columns are kept together.
constexpr int64_t kMaxColumnLength = 512;

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// Each works on rows of n ≥ 1 elements, or columns where inner > 1. Memory is read and written once: the other passes over a row find it in
// the cache. Results may lie where operands do. T: float, double.

// y = exp(x − max) / Σ exp(x − max).
template <typename T>
void softmax(const SoftmaxParams& params, const T* x, T* y, const Parallel& parallel);

// dx = y·(dy − Σ dy·y).
template <typename T>
void softmax_gradient(const SoftmaxParams& params, const T* y, const T* dy, T* dx, const Parallel& parallel);

// y = x − max − log Σ exp(x − max).
template <typename T>
void log_softmax(const SoftmaxParams& params, const T* x, T* y, const Parallel& parallel);

// dx = dy − exp(y)·Σ dy.
template <typename T>
void log_softmax_gradient(const SoftmaxParams& params, const T* y, const T* dy, T* dx, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
