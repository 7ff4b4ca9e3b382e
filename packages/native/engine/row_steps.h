// What steps that work row by row share.
#pragma once

#include <string>

#include "steps.h"

namespace nagare {

template <typename T>
const RowKernels<T>& row_kernels(const Kernels& kernels) {
  if constexpr (std::is_same_v<T, float>) return kernels.rowsF32;
  else return kernels.rowsF64;
}

// The step for float32 or float64; `what` begins the message of what can be of nothing else, such as "rows are".
template <template <typename> class S, typename... A>
std::unique_ptr<Step> make_row_step(const char* what, DType dtype, const A&... arguments) {
  if (dtype == DType::float32) return std::make_unique<S<float>>(arguments...);
  if (dtype == DType::float64) return std::make_unique<S<double>>(arguments...);
  throw InvalidProgram(std::string(what) + " of float32 or float64");
}

}  // namespace nagare
