// Element types: the codes compiled programs use, in the order of the TypeScript side's list.
#pragma once

#include <stdint.h>

namespace nagare {

enum class DType : int32_t {
  float32 = 0,
  float64 = 1,
  float16 = 2,
  bfloat16 = 3,
  int8 = 4,
  uint8 = 5,
  int32 = 6,
  int64 = 7,
  boolean = 8,  // one byte, 0 or 1
};

constexpr int kDTypes = 9;

constexpr int dtype_bytes(DType dtype) {
  constexpr int bytes[kDTypes] = {4, 8, 2, 2, 1, 1, 4, 8, 1};
  return bytes[static_cast<int>(dtype)];
}

// The dtype that holds sums of many products.
constexpr DType sum_dtype(DType dtype) {
  switch (dtype) {
    case DType::float16:
    case DType::bfloat16:
      return DType::float32;
    case DType::int8:
    case DType::uint8:
      return DType::int32;
    default:
      return dtype;
  }
}

constexpr bool is_float(DType dtype) { return static_cast<int>(dtype) <= static_cast<int>(DType::bfloat16); }

}  // namespace nagare
