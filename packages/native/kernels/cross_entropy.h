// The cross-entropy of logits and the numbers of classes, row by row, and its derivative.
#pragma once

#include <stdint.h>

#include "parallel.h"

namespace nagare {

// logits [rows, n], n ≥ 1; labels [rows], int64 or int32. A label outside [0, n) gives the loss NaN and the derivative 0.
struct CrossEntropyParams {
  int64_t rows, n;
  bool wideLabels;
};

#ifdef NAGARE_ISA
namespace NAGARE_ISA {

// normalizers = log Σ exp(logits) and losses = normalizer − logits[label], [rows] each. T: float, double.
template <typename T>
void cross_entropy(const CrossEntropyParams& params, const T* logits, const void* labels, T* losses, T* normalizers,
                   const Parallel& parallel);

// dlogits = (exp(logits − normalizer) − [i = label])·dloss. dlogits may be logits.
template <typename T>
void cross_entropy_gradient(const CrossEntropyParams& params, const T* logits, const void* labels, const T* normalizers,
                            const T* dlosses, T* dlogits, const Parallel& parallel);

}  // namespace NAGARE_ISA
#endif
}  // namespace nagare
